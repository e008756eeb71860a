//! How large a transaction will be, to the byte, before anything is signed.
//!
//! Keys and signatures have exact lengths by scheme, so a size is a sum and no guess. The one exception is a threshold whose keys are of
//! different schemes: the longest signatures are counted, since nobody knows yet who will sign.

use alloc::vec::Vec;

use crate::codec;
use crate::lock::{Condition, Conditions, Path};
use crate::tx::{OutPoint, Transaction, TxBody, TxOut};
use crate::units::Height;

/// The counts and lengths that make up a transaction's encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxShape {
    inputs: u64,
    input_bytes: u64,
    outputs: u64,
    output_bytes: u64,
    height_bytes: u64,
    witnesses: u64,
    witness_bytes: u64,
}

impl TxShape {
    /// A transaction with these outputs and heights that spends nothing yet.
    #[must_use]
    pub fn new(outputs: &[TxOut], lock_height: Height, expiry_height: Height) -> Self {
        Self {
            outputs: outputs.len() as u64,
            output_bytes: outputs.iter().map(|output| codec::encoded_len(output) as u64).sum(),
            height_bytes: varint_bytes(lock_height.0.into()) + varint_bytes(expiry_height.0.into()),
            ..Self::default()
        }
    }

    /// With another input.
    #[must_use]
    pub const fn with_input(self, bytes: u64) -> Self {
        Self { inputs: self.inputs + 1, input_bytes: self.input_bytes + bytes, ..self }
    }

    /// With one input less.
    #[must_use]
    pub const fn without_input(self, bytes: u64) -> Self {
        Self { inputs: self.inputs - 1, input_bytes: self.input_bytes - bytes, ..self }
    }

    /// With another witness.
    #[must_use]
    pub const fn with_witness(self, bytes: u64) -> Self {
        Self { witnesses: self.witnesses + 1, witness_bytes: self.witness_bytes + bytes, ..self }
    }

    /// With one witness less.
    #[must_use]
    pub const fn without_witness(self, bytes: u64) -> Self {
        Self { witnesses: self.witnesses - 1, witness_bytes: self.witness_bytes - bytes, ..self }
    }

    /// With another output.
    #[must_use]
    pub const fn with_output(self, bytes: u64) -> Self {
        Self { outputs: self.outputs + 1, output_bytes: self.output_bytes + bytes, ..self }
    }

    /// The length of the body's encoding, in bytes.
    #[must_use]
    pub const fn body_bytes(&self) -> u64 {
        let counts = varint_bytes(self.inputs) + varint_bytes(self.outputs);
        VERSION_BYTES + counts + self.input_bytes + self.output_bytes + self.height_bytes
    }

    /// The length of the transaction's encoding, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.body_bytes() + varint_bytes(self.witnesses) + self.witness_bytes
    }
}

const VERSION_BYTES: u64 = 1;

/// The length of an output to an address: amount, the kind of lock, the address.
#[must_use]
pub const fn address_output_bytes(amount_quanta: u64) -> u64 {
    varint_bytes(amount_quanta) + 1 + 32
}

/// The length of an input.
#[must_use]
pub fn input_bytes(outpoint: &OutPoint) -> u64 {
    codec::encoded_len(outpoint) as u64
}

/// The length of a number's encoding: seven bits a byte.
#[must_use]
pub const fn varint_bytes(number: u64) -> u64 {
    let bits = (u64::BITS - number.leading_zeros()) as u64;
    if bits == 0 { 1 } else { bits.div_ceil(7) }
}

/// The length of the witness that shows this alternative, with preimages of this length.
#[must_use]
pub fn witness_bytes(conditions: &Conditions, path: &Path, preimage_bytes: usize) -> u64 {
    let proofs: Vec<_> = conditions.iter().filter_map(|condition| proof_bytes(condition, preimage_bytes)).collect();
    let shown = codec::encoded_len(conditions) + codec::encoded_len(path);
    shown as u64 + varint_bytes(proofs.len() as u64) + proofs.iter().sum::<u64>()
}

/// The length of the proof of a condition: its kind, then what the kind holds.
fn proof_bytes(condition: &Condition, preimage_bytes: usize) -> Option<u64> {
    let byte_string = |length: usize| varint_bytes(length as u64) + length as u64;
    match condition {
        Condition::Key(key) => Some(1 + byte_string(key.scheme().signature_bytes())),
        Condition::Threshold { required, keys } => {
            let mut left: Vec<_> = keys.iter().map(|key| 1 + byte_string(key.scheme().signature_bytes())).collect();
            // The longest ones. Keys are few, and the code that sorts is long.
            let longest = (0..*required).map_while(|_| {
                let (place, _) = left.iter().enumerate().max_by_key(|(_, bytes)| **bytes)?;
                Some(left.swap_remove(place))
            });
            Some(1 + varint_bytes((*required).into()) + longest.sum::<u64>())
        }
        Condition::Preimage(_) => Some(1 + byte_string(preimage_bytes)),
        Condition::After(_) => None,
    }
}

/// The shape of a transaction that is there.
impl From<&Transaction> for TxShape {
    fn from(transaction: &Transaction) -> Self {
        let TxBody { inputs, outputs, lock_height, expiry_height, .. } = &transaction.body;
        let shape = Self::new(outputs, *lock_height, *expiry_height);
        let shape = inputs.iter().fold(shape, |shape, outpoint| shape.with_input(input_bytes(outpoint)));
        let witnesses = transaction.witnesses.iter().map(|witness| codec::encoded_len(witness) as u64);
        witnesses.fold(shape, Self::with_witness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{PublicKey, Scheme, Signature};
    use crate::hash::Txid;
    use crate::lock::{Address, AddressTree, IndexedSignature, Lock, Proof, Witness};
    use crate::testing::test;
    use crate::units::Amount;
    use alloc::vec;

    fn key(scheme: Scheme) -> PublicKey {
        PublicKey::new(scheme, vec![1; scheme.public_key_bytes()]).unwrap()
    }

    fn signature(scheme: Scheme) -> Signature {
        Signature::new(vec![1; scheme.signature_bytes()]).unwrap()
    }

    #[test]
    fn varints_are_those_of_the_codec() {
        for bit in 0..64 {
            for number in [(1_u64 << bit) - 1, 1 << bit] {
                assert_eq!(varint_bytes(number), codec::encoded_len(&number) as u64, "{number}");
            }
        }
        assert_eq!(varint_bytes(u64::MAX), codec::encoded_len(&u64::MAX) as u64);
    }

    #[test]
    fn a_plain_witness_is_as_large_as_said() {
        for scheme in Scheme::ALL {
            let conditions = Conditions::key(key(scheme));
            let tree = AddressTree::new(vec![conditions.clone(); 5]).unwrap();
            for (conditions, path) in tree.alternatives() {
                let witness = Witness {
                    conditions: conditions.clone(),
                    path: path.clone(),
                    proofs: vec![Proof::Signature(signature(scheme))],
                };
                assert_eq!(witness_bytes(conditions, path, 0), codec::encoded_len(&witness) as u64);
            }
        }
    }

    #[test]
    fn a_witness_of_every_kind_of_condition_is_as_large_as_said() {
        let schemes = [Scheme::MlDsa44, Scheme::MlDsa87, Scheme::MlDsa65];
        let conditions = Conditions::new(vec![
            Condition::Threshold { required: 2, keys: schemes.map(key).to_vec() },
            Condition::After(Height(300)),
            Condition::preimage_of(&[7; 200]),
            Condition::Key(key(Scheme::MlDsa65)),
        ]);
        let conditions = conditions.unwrap();
        // The two longest: those of keys 1 and 2.
        let signed = |at: u8| IndexedSignature { key: at, signature: signature(schemes[usize::from(at)]) };
        let witness = Witness {
            conditions: conditions.clone(),
            path: Path::default(),
            proofs: vec![
                Proof::Signatures(vec![signed(1), signed(2)]),
                Proof::Preimage(vec![7; 200].into()),
                Proof::Signature(signature(Scheme::MlDsa65)),
            ],
        };
        assert_eq!(witness_bytes(&conditions, &Path::default(), 200), codec::encoded_len(&witness) as u64);
    }

    #[test]
    fn a_transaction_is_as_large_as_said() {
        let witness = Witness {
            conditions: Conditions::key(key(Scheme::MlDsa44)),
            path: Path::default(),
            proofs: vec![Proof::Signature(signature(Scheme::MlDsa44))],
        };
        for (inputs, outputs, witnesses, height) in [(1, 1, 1, 0), (127, 128, 2, 127), (128, 127, 128, 128)] {
            let outpoint = |index: u32| OutPoint { txid: Txid::ZERO, index };
            let output = |at: u32| TxOut {
                amount: Amount::from_quanta(1 << (at % 60)).unwrap(),
                lock: Lock::Address(Address::from_bytes([2; 32])),
            };
            let transaction = Transaction {
                body: TxBody {
                    version: TxBody::VERSION,
                    inputs: (0..inputs).map(outpoint).collect(),
                    outputs: (0..outputs).map(output).collect(),
                    lock_height: Height(height),
                    expiry_height: Height(height * height),
                },
                witnesses: vec![witness.clone(); witnesses],
            };
            let shape = TxShape::from(&transaction);
            assert_eq!(shape.bytes(), codec::encoded_len(&transaction) as u64);
            assert_eq!(shape.body_bytes(), codec::encoded_len(&transaction.body) as u64);
            let summed: u64 =
                transaction.body.outputs.iter().map(|output| address_output_bytes(output.amount.quanta())).sum();
            assert_eq!(summed, shape.output_bytes);
            assert_eq!(shape.with_input(33).without_input(33).with_witness(9).without_witness(9), shape);
        }
    }
}
