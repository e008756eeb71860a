//! From the wallet's seed to the seed of each key: a tree of HMAC-SHA512, all of it hardened.
//!
//! The construction is SLIP-0010's for keys without public derivation (its `ed25519`), under a domain key of our own:
//!
//! - root: `key ‖ chain = HMAC-SHA512(key: "qbtc seed", data: BIP 39 seed)`, 32 bytes each;
//! - child `i'`: `key ‖ chain = HMAC-SHA512(key: parent's chain, data: 0x00 ‖ parent's key ‖ (2^31 + i) as four bytes, big-endian)`;
//! - the 32-byte seed of a key pair ([`SecretKey::from_seed`]) is the `key` of its path's last node.
//!
//! Paths are `m / 360' / coin' / account' / scheme' / branch' / index'`. 360 is the BIP whose address trees these keys stand in. The
//! scheme is a level of the path, so that no seed ever serves two schemes. Lattice and hash-based keys allow no derivation of public
//! keys from public keys: a wallet that only watches is given addresses, not a public root.

use core::fmt;
use core::str::FromStr;

use alloc::string::String;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, de};
use sha2::Sha512;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::mnemonic::WalletSeed;
use crate::crypto::{SEED_BYTES, Scheme, SecretKey};
use crate::spec::{ChainIdentity, ChainSpec};

/// Separates these keys from those that other chains derive from the same words.
const DOMAIN: &[u8] = b"qbtc seed";
/// The first level of every path.
const PURPOSE: ChildIndex = ChildIndex(360);
/// Added to each index: hardened children have the upper half of the numbers (BIP 32).
const HARDENED: u32 = 1 << 31;

/// The place of a child under its node: 0 ..= 2^31 − 1, always hardened, shown as `7'`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ChildIndex(u32);

/// The chain that keys are for, so that a test chain's keys are worth nothing on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CoinType(ChildIndex);

/// Which of an account's addresses a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Branch {
    /// Those given to payers; level `0'`.
    Receive,
    /// Those that take a payment's change; level `1'`.
    Change,
}

/// The node of an account: `m / 360' / coin' / account'`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountPath {
    /// The chain.
    pub coin: CoinType,
    /// The account, from 0.
    pub account: ChildIndex,
}

/// The place of an address in its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AddressPath {
    /// Receive or change.
    pub branch: Branch,
    /// The address, from 0.
    pub index: ChildIndex,
}

/// The node of a key: `m / 360' / coin' / account' / scheme' / branch' / index'`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath {
    /// The account.
    pub account: AccountPath,
    /// The key's scheme; its id is the level.
    pub scheme: Scheme,
    /// The address that the key stands in.
    pub address: AddressPath,
}

/// The account's secret, from which all its keys are derived. Knows nothing of other accounts.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct AccountKey {
    node: Node,
    #[zeroize(skip)]
    path: AccountPath,
}

/// Why a text or number is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Another form.
    #[error("path {found:?}: expected m/360'/coin'/account'/scheme'/branch'/index', each level hardened")]
    Form {
        /// The text found, cut to 80 characters.
        found: String,
    },
    /// An index beyond the range.
    #[error("index {found}: expected 0 to {}", ChildIndex::MAX.0)]
    Index {
        /// The index found.
        found: u32,
    },
    /// Another first level: the keys of another wallet format.
    #[error("purpose {found}': expected 360'")]
    Purpose {
        /// The level found.
        found: u32,
    },
    /// A level that is no scheme's id.
    #[error("scheme {found}': expected 1' to 4'")]
    Scheme {
        /// The level found.
        found: u32,
    },
    /// A level that is no branch.
    #[error("branch {found}': expected 0' (receive) or 1' (change)")]
    Branch {
        /// The level found.
        found: u32,
    },
}

impl ChildIndex {
    /// The first child.
    pub const ZERO: Self = Self(0);
    /// The last child.
    pub const MAX: Self = Self(HARDENED - 1);

    /// The child of this index.
    ///
    /// # Errors
    /// [`PathError::Index`] from 2^31 on.
    pub const fn new(index: u32) -> Result<Self, PathError> {
        if index > Self::MAX.0 {
            return Err(PathError::Index { found: index });
        }
        Ok(Self(index))
    }

    /// The index, without the bit that says hardened.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        self.0
    }
}

impl<'de> Deserialize<'de> for ChildIndex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u32::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl CoinType {
    /// Real money. Not a registered number of SLIP-0044: the letters "qbtc", far from the small numbers that are given out there.
    pub const MAIN: Self = Self(ChildIndex(u32::from_be_bytes(*b"qbtc")));
    /// Every test chain, as SLIP-0044 has it.
    pub const TEST: Self = Self(ChildIndex(1));

    /// Another chain's.
    #[must_use]
    pub const fn new(index: ChildIndex) -> Self {
        Self(index)
    }

    /// That of a chain: [`CoinType::MAIN`] where the money is real, else [`CoinType::TEST`].
    #[must_use]
    pub fn of_chain(spec: &ChainSpec) -> Self {
        Self::of_identity(&ChainIdentity::from(spec))
    }

    /// [`CoinType::of_chain`], of what a program that only signs knows of a chain.
    #[must_use]
    pub fn of_identity(chain: &ChainIdentity) -> Self {
        if chain.is_main() { Self::MAIN } else { Self::TEST }
    }
}

impl Branch {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Receive, Self::Change];

    const fn level(self) -> ChildIndex {
        match self {
            Self::Receive => ChildIndex(0),
            Self::Change => ChildIndex(1),
        }
    }
}

impl AccountPath {
    /// The first account of a chain.
    #[must_use]
    pub const fn first(coin: CoinType) -> Self {
        Self { coin, account: ChildIndex::ZERO }
    }

    const fn levels(self) -> [ChildIndex; 3] {
        [PURPOSE, self.coin.0, self.account]
    }
}

impl KeyPath {
    const fn levels_below_account(self) -> [ChildIndex; 3] {
        [ChildIndex(self.scheme.id() as u32), self.address.branch.level(), self.address.index]
    }
}

impl AccountKey {
    /// The account of a wallet.
    #[must_use]
    pub fn derive(seed: &WalletSeed, path: AccountPath) -> Self {
        Self { node: Node::root(DOMAIN, seed.as_bytes()).descendant(&path.levels()), path }
    }

    /// Where the account is.
    #[must_use]
    pub const fn path(&self) -> AccountPath {
        self.path
    }

    /// The path of one of the account's keys.
    #[must_use]
    pub const fn key_path(&self, scheme: Scheme, address: AddressPath) -> KeyPath {
        KeyPath { account: self.path, scheme, address }
    }

    /// The seed of one of the account's keys.
    #[must_use]
    pub fn key_seed(&self, scheme: Scheme, address: AddressPath) -> Zeroizing<[u8; SEED_BYTES]> {
        let levels = self.key_path(scheme, address).levels_below_account();
        Zeroizing::new(self.node.descendant(&levels).key)
    }

    /// One of the account's keys. Making it costs some tenths of a millisecond for ML-DSA, some tens for SLH-DSA.
    #[must_use]
    pub fn secret_key(&self, scheme: Scheme, address: AddressPath) -> SecretKey {
        SecretKey::from_seed(scheme, &self.key_seed(scheme, address))
    }
}

/// A node of the tree.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Node {
    key: [u8; 32],
    chain: [u8; 32],
}

impl Node {
    fn root(domain: &[u8], seed: &[u8]) -> Self {
        Self::of_hmac(domain, &[seed])
    }

    fn child(&self, index: ChildIndex) -> Self {
        Self::of_hmac(&self.chain, &[&[0], &self.key, &(HARDENED | index.0).to_be_bytes()])
    }

    fn descendant(&self, path: &[ChildIndex]) -> Self {
        let own = Self { key: self.key, chain: self.chain };
        path.iter().fold(own, |node, index| node.child(*index))
    }

    fn of_hmac(key: &[u8], parts: &[&[u8]]) -> Self {
        let mut hmac = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes keys of every length");
        for part in parts {
            hmac.update(part);
        }
        let mut digest = hmac.finalize().into_bytes();
        let (key, chain) = digest.split_at(32);
        let node = Self {
            key: key.try_into().expect("the first 32 of 64 bytes"),
            chain: chain.try_into().expect("the last 32 of 64 bytes"),
        };
        digest.as_mut_slice().zeroize();
        node
    }
}

impl fmt::Display for ChildIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}'", self.0)
    }
}

impl fmt::Display for AccountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("m")?;
        self.levels().iter().try_for_each(|level| write!(f, "/{level}"))
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.account.fmt(f)?;
        self.levels_below_account().iter().try_for_each(|level| write!(f, "/{level}"))
    }
}

/// Reads what [`KeyPath`] shows; `h` may stand for `'`.
impl FromStr for KeyPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let refused = || PathError::Form { found: text.chars().take(80).collect() };
        let mut parts = text.split('/');
        if parts.next() != Some("m") {
            return Err(refused());
        }
        let mut levels = [0; 6];
        for level in &mut levels {
            let part = parts.next().ok_or_else(refused)?;
            let digits = part.strip_suffix(['\'', 'h']).ok_or_else(refused)?;
            let is_canonical = digits == "0" || !digits.starts_with(['0', '+']);
            *level = digits.parse().ok().filter(|_| is_canonical).ok_or_else(refused)?;
        }
        if parts.next().is_some() {
            return Err(refused());
        }
        let [purpose, coin, account, scheme, branch, index] = levels;
        if purpose != PURPOSE.0 {
            return Err(PathError::Purpose { found: purpose });
        }
        let scheme_id = u8::try_from(scheme).map_err(|_| PathError::Scheme { found: scheme })?;
        let branch = Branch::ALL.into_iter().find(|known| known.level().0 == branch);
        let branch = branch.ok_or(PathError::Branch { found: levels[4] })?;
        Ok(Self {
            account: AccountPath { coin: CoinType(ChildIndex::new(coin)?), account: ChildIndex::new(account)? },
            scheme: Scheme::from_id(scheme_id).map_err(|_| PathError::Scheme { found: scheme })?,
            address: AddressPath { branch, index: ChildIndex::new(index)? },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;
    use crate::wallet::mnemonic::Mnemonic;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    fn index(index: u32) -> ChildIndex {
        ChildIndex::new(index).unwrap()
    }

    /// SLIP-0010, test vectors 1 and 2 for ed25519: seed; then for a path its key, and its chain code.
    #[test]
    fn the_tree_is_that_of_slip_0010() {
        let first = "000102030405060708090a0b0c0d0e0f";
        let second = "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a29f9c999693908d8a8784817e7b78757\
                      26f6c696663605d5a5754514e4b484542";
        let vectors: [(&str, &[u32], &str, &str); 6] = [
            (
                first,
                &[],
                "2b4be7f19ee27bbf30c667b642d5f4aa69fd169872f8fc3059c08ebae2eb19e7",
                "90046a93de5380a72b5e45010748567d5ea02bbf6522f979e05c0d8d8ca9fffb",
            ),
            (
                first,
                &[0, 1],
                "b1d0bad404bf35da785a64ca1ac54b2617211d2777696fbffaf208f746ae84f2",
                "a320425f77d1b5c2505a6b1b27382b37368ee640e3557c315416801243552f14",
            ),
            (
                first,
                &[0, 1, 2, 2, 1_000_000_000],
                "8f94d394a8e8fd6b1bc2f3f49f5c47e385281d5c17e65324b0f62483e37e8793",
                "68789923a0cac2cd5a29172a475fe9e0fb14cd6adb5ad98a3fa70333e7afa230",
            ),
            (
                second,
                &[],
                "171cb88b1b3c1db25add599712e36245d75bc65a1a5c9e18d76f9f2b1eab4012",
                "ef70a74db9c3a5af931b5fe73ed8e1a53464133654fd55e7a66f8570b8e33c3b",
            ),
            (
                second,
                &[0, 2_147_483_647],
                "ea4f5bfe8694d8bb74b7b59404632fd5968b774ed545e810de9c32a4fb4192f4",
                "138f0b2551bcafeca6ff2aa88ba8ed0ed8de070841f0c4ef0165df8181eaad7f",
            ),
            (
                second,
                &[0, 2_147_483_647, 1, 2_147_483_646, 2],
                "551d333177df541ad876a60ea71f00447931c0a9da16f227c11ea080d7391b8d",
                "5d70af781f3a37b829f0d060924d5e960bdc02e85423494afc0b1a41bbe196d4",
            ),
        ];
        for (seed, path, key, chain) in vectors {
            let path: Vec<_> = path.iter().copied().map(index).collect();
            let node = Node::root(b"ed25519 seed", &hex::decode(seed).unwrap()).descendant(&path);
            assert_eq!(hex::encode(node.key), key);
            assert_eq!(hex::encode(node.chain), chain);
        }
    }

    /// Made by a second implementation, tests/vectors/derivation.py.
    #[test]
    fn keys_are_those_of_the_second_implementation() {
        let lines = include_str!("../../../tests/vectors/derivation.txt").lines().filter(|line| !line.starts_with('#'));
        let mut count = 0;
        for line in lines {
            let [words, passphrase, path, expected]: [&str; 4] =
                line.split(';').collect::<Vec<_>>().try_into().unwrap();
            let seed = Mnemonic::parse(words).ok().unwrap().to_seed(passphrase);
            let path: KeyPath = path.parse().unwrap();
            let account = AccountKey::derive(&seed, path.account);
            assert_eq!(account.key_path(path.scheme, path.address), path);
            assert_eq!(hex::encode(*account.key_seed(path.scheme, path.address)), expected, "{path}");
            count += 1;
        }
        assert_eq!(count, 12);
    }

    #[test]
    fn paths_round_trip_as_text() {
        for text in ["m/360'/1902277731'/0'/3'/0'/5'", "m/360'/1'/2147483647'/4'/1'/2147483647'"] {
            assert_eq!(text.parse::<KeyPath>().unwrap().to_string(), text);
            assert_eq!(text.replace('\'', "h").parse::<KeyPath>().unwrap().to_string(), text);
        }
        let first = AccountPath::first(CoinType::MAIN);
        assert_eq!(first.to_string(), "m/360'/1902277731'/0'");
    }

    #[test]
    fn other_paths_are_refused() {
        let refused = |text: &str| text.parse::<KeyPath>().unwrap_err();
        for form in
            ["", "m", "360'/1'/0'/3'/0'/5'", "m/360'/1'/0'/3'/0'", "m/360'/1'/0'/3'/0'/5'/1'", "m/360'/1'/0'/3'/0/5'"]
                .into_iter()
                .chain(["m/360'/1'/0'/3'/0'/05'", "m/360'/1'/0'/3'/0'/+5'", "m/360'/1'/0'/3'/0'/4294967296'", "m//"])
        {
            assert_eq!(refused(form), PathError::Form { found: form.into() });
        }
        assert_eq!(refused("m/44'/1'/0'/3'/0'/5'"), PathError::Purpose { found: 44 });
        assert_eq!(refused("m/360'/1'/0'/5'/0'/5'"), PathError::Scheme { found: 5 });
        assert_eq!(refused("m/360'/1'/0'/259'/0'/5'"), PathError::Scheme { found: 259 });
        assert_eq!(refused("m/360'/1'/0'/3'/2'/5'"), PathError::Branch { found: 2 });
        assert_eq!(refused("m/360'/1'/0'/3'/0'/2147483648'"), PathError::Index { found: 1 << 31 });
    }

    #[test]
    fn an_index_beyond_the_range_is_not_decoded() {
        let encoded = |index: u32| crate::codec::encode(&index);
        assert_eq!(crate::codec::decode(&encoded(u32::MAX >> 1), 5), Ok(ChildIndex::MAX));
        assert!(crate::codec::decode::<ChildIndex>(&encoded(1 << 31), 5).is_err());
    }
}
