//! What an account's addresses are made of.

use alloc::vec;

use serde::{Deserialize, Serialize};

use super::derivation::{AccountKey, AddressPath};
use crate::crypto::{PublicKey, Scheme};
use crate::lock::{AddressTree, Conditions};

/// Which keys stand in each address of an account.
///
/// A fallback is a second alternative under [`AddressLayout::FALLBACK`], a scheme that rests on a hash function alone. It costs
/// 32 bytes in a witness and is unseen until it is used: should lattice signatures fall, money moves without a new address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct AddressLayout {
    scheme: Scheme,
    has_fallback: bool,
}

/// The public keys of one address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AddressKeys {
    /// The key that signs.
    pub signing: PublicKey,
    /// The key that lies dormant beside it.
    pub fallback: Option<PublicKey>,
}

impl AddressKeys {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        core::iter::once(&self.signing).chain(&self.fallback)
    }
}

/// A layout whose fallback would be the scheme that signs anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} cannot be its own fallback")]
pub struct LayoutError(Scheme);

impl AddressLayout {
    /// The scheme of the dormant key.
    pub const FALLBACK: Scheme = Scheme::SlhDsaSha2_128s;

    /// One key.
    #[must_use]
    pub const fn single(scheme: Scheme) -> Self {
        Self { scheme, has_fallback: false }
    }

    /// One key, and beside it a dormant one of [`AddressLayout::FALLBACK`].
    ///
    /// # Errors
    /// [`LayoutError`] where both would be the same scheme.
    pub fn with_fallback(scheme: Scheme) -> Result<Self, LayoutError> {
        if scheme == Self::FALLBACK {
            return Err(LayoutError(scheme));
        }
        Ok(Self { scheme, has_fallback: true })
    }

    /// The scheme that signs.
    #[must_use]
    pub const fn scheme(self) -> Scheme {
        self.scheme
    }

    /// Whether there is a dormant key.
    #[must_use]
    pub const fn has_fallback(self) -> bool {
        self.has_fallback
    }

    /// Derives the public keys of an address.
    #[must_use]
    pub fn keys(self, account: &AccountKey, address: AddressPath) -> AddressKeys {
        let public = |scheme| account.secret_key(scheme, address).public_key().clone();
        AddressKeys { signing: public(self.scheme), fallback: self.has_fallback.then(|| public(Self::FALLBACK)) }
    }

    /// Whether keys are of this layout's schemes.
    #[must_use]
    pub fn is_layout_of(self, keys: &AddressKeys) -> bool {
        let fallback = keys.fallback.as_ref().map(PublicKey::scheme);
        keys.signing.scheme() == self.scheme && fallback == self.has_fallback.then_some(Self::FALLBACK)
    }
}

impl AddressKeys {
    /// The place of the alternative that an ordinary payment uses.
    pub const SIGNING: usize = 0;
    /// The place of the dormant alternative, where there is one.
    pub const FALLBACK: usize = 1;

    /// The address with these keys.
    #[must_use]
    pub fn tree(&self) -> AddressTree {
        let signing = Conditions::key(self.signing.clone());
        match &self.fallback {
            None => AddressTree::single(signing),
            Some(fallback) => AddressTree::new(vec![signing, Conditions::key(fallback.clone())])
                .expect("two alternatives are neither none nor too many"),
        }
    }
}

/// A layout as it was decoded.
#[derive(Deserialize)]
struct Unchecked {
    scheme: Scheme,
    has_fallback: bool,
}

impl TryFrom<Unchecked> for AddressLayout {
    type Error = LayoutError;

    fn try_from(layout: Unchecked) -> Result<Self, LayoutError> {
        if layout.has_fallback { Self::with_fallback(layout.scheme) } else { Ok(Self::single(layout.scheme)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};
    use crate::testing::test;
    use crate::wallet::derivation::{AccountPath, Branch, ChildIndex, CoinType};
    use crate::wallet::mnemonic::WalletSeed;

    #[test]
    fn no_scheme_is_its_own_fallback() {
        for scheme in [Scheme::MlDsa44, Scheme::MlDsa65, Scheme::MlDsa87] {
            let layout = AddressLayout::with_fallback(scheme).unwrap();
            assert_eq!(encode(&layout), [scheme.id(), 1]);
            assert_eq!(decode(&[scheme.id(), 1], 2), Ok(layout));
        }
        assert_eq!(decode(&[4, 0], 2), Ok(AddressLayout::single(Scheme::SlhDsaSha2_128s)));
        assert!(decode::<AddressLayout>(&[4, 1], 2).is_err());
        assert!(decode::<AddressLayout>(&[3, 2], 2).is_err());
    }

    #[test]
    fn a_fallback_makes_another_address_with_the_same_signing_key() {
        let account = AccountKey::derive(&WalletSeed::from_bytes([7; 64]), AccountPath::first(CoinType::TEST));
        let path = AddressPath { branch: Branch::Receive, index: ChildIndex::ZERO };
        let plain = AddressLayout::single(Scheme::MlDsa44);
        let double = AddressLayout::with_fallback(Scheme::MlDsa44).unwrap();
        let (plain_keys, double_keys) = (plain.keys(&account, path), double.keys(&account, path));
        assert_eq!(plain_keys.signing, double_keys.signing);
        assert_ne!(plain_keys.tree().address(), double_keys.tree().address());
        assert!(plain.is_layout_of(&plain_keys) && !plain.is_layout_of(&double_keys));
        assert!(double.is_layout_of(&double_keys) && !double.is_layout_of(&plain_keys));

        let tree = double_keys.tree();
        for (place, key) in
            [(AddressKeys::SIGNING, double_keys.signing), (AddressKeys::FALLBACK, double_keys.fallback.unwrap())]
        {
            let (conditions, path) = &tree.alternatives()[place];
            assert_eq!(*conditions, Conditions::key(key));
            assert_eq!(path.root_from(conditions.leaf_hash()), tree.address());
        }
    }
}
