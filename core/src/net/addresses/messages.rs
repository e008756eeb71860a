//! How nodes tell each other addresses.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::address::PeerAddress;
use super::entry::AddressNews;
use crate::codec::{self, CodecError};

/// The most addresses of one answer.
pub const ADDRESSES_MAX: usize = 1_000;
/// The most addresses that a node says it has itself.
pub const OWN_ADDRESSES_MAX: usize = 8;

/// Asks for addresses, and says where the asker can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressesQuestion {
    /// Where the asker believes that others can reach it.
    #[serde(deserialize_with = "codec::bounded::<_, _, OWN_ADDRESSES_MAX>")]
    pub own: Vec<PeerAddress>,
}

/// A random part of the addresses that a node knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressesAnswer {
    /// The addresses, in no order.
    #[serde(deserialize_with = "codec::bounded::<_, _, ADDRESSES_MAX>")]
    pub addresses: Vec<AddressNews>,
}

/// An address with its length.
const ADDRESS_BYTES_MAX: usize = 2 + PeerAddress::BYTES_MAX;

impl AddressesQuestion {
    /// The most bytes of a question.
    pub const BYTES_MAX: usize = 1 + OWN_ADDRESSES_MAX * ADDRESS_BYTES_MAX;

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The question of exactly these bytes.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, Self::BYTES_MAX)
    }
}

impl AddressesAnswer {
    /// The most bytes of an answer: each address with its services and its time.
    pub const BYTES_MAX: usize = 2 + ADDRESSES_MAX * (ADDRESS_BYTES_MAX + 10 + 5);

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The answer of exactly these bytes.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, Self::BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Services;
    use crate::testing::test;
    use crate::units::BlockTime;
    use alloc::format;
    use alloc::vec;

    fn longest() -> AddressNews {
        let text = format!("{:a<256}", "/ip4/192.0.2.1/tcp/1/");
        AddressNews { address: text.parse().unwrap(), services: Services(u64::MAX), last_seen: BlockTime(u32::MAX) }
    }

    #[test]
    fn the_longest_fit_exactly_and_longer_ones_are_refused() {
        let ask = |count| AddressesQuestion { own: vec![longest().address; count] };
        let bytes = ask(OWN_ADDRESSES_MAX).to_bytes();
        assert_eq!(bytes.len(), AddressesQuestion::BYTES_MAX);
        assert_eq!(AddressesQuestion::from_bytes(&bytes), Ok(ask(OWN_ADDRESSES_MAX)));
        assert!(codec::decode::<AddressesQuestion>(&ask(OWN_ADDRESSES_MAX + 1).to_bytes(), usize::MAX).is_err());
        let tell = |count| AddressesAnswer { addresses: vec![longest(); count] };
        let bytes = tell(ADDRESSES_MAX).to_bytes();
        assert_eq!(bytes.len(), AddressesAnswer::BYTES_MAX);
        assert_eq!(AddressesAnswer::from_bytes(&bytes), Ok(tell(ADDRESSES_MAX)));
        assert!(codec::decode::<AddressesAnswer>(&tell(ADDRESSES_MAX + 1).to_bytes(), usize::MAX).is_err());
    }

    /// By hand from docs/protocol.md: a count; the text with its length; services 1; the time 1 795 219 200 as LEB128.
    #[test]
    fn bytes_are_as_written_down() {
        let mut bytes = b"\x01\x19/ip4/1.2.3.4/udp/8/quic-v".to_vec();
        let address: PeerAddress = "/ip4/1.2.3.4/udp/8/quic-v".parse().unwrap();
        assert_eq!(AddressesQuestion { own: vec![address.clone()] }.to_bytes(), bytes);
        bytes.extend([1, 0x80, 0xbe, 0x83, 0xd8, 0x06]);
        let news = AddressNews { address, services: Services::NODE, last_seen: BlockTime(1_795_219_200) };
        let answer = AddressesAnswer { addresses: vec![news] };
        assert_eq!(answer.to_bytes(), bytes);
        assert_eq!(AddressesAnswer::from_bytes(&bytes), Ok(answer));
        assert_eq!(AddressesQuestion::default().to_bytes(), [0]);
        bytes.push(0);
        assert!(AddressesAnswer::from_bytes(&bytes).is_err());
    }
}
