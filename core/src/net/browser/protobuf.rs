//! As much of protobuf as libp2p's small messages need: fields one after the other, read without a copy.

/// A field's content. Numbers of fixed length are passed over: no message here has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
}

/// A field ends behind the message, or is of a kind that protobuf does not have any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Gives each field and its number to `each`, in their order.
pub(super) fn read<'a>(mut bytes: &'a [u8], mut each: impl FnMut(u64, Field<'a>)) -> Result<(), Malformed> {
    while !bytes.is_empty() {
        let tag = take_varint(&mut bytes)?;
        match (tag >> 3, tag & 7) {
            (0, _) => return Err(Malformed),
            (number, 0) => each(number, Field::Varint(take_varint(&mut bytes)?)),
            (number, 2) => each(number, Field::Bytes(take_bytes(&mut bytes)?)),
            (_, 1) => drop(take(&mut bytes, 8)?),
            (_, 5) => drop(take(&mut bytes, 4)?),
            _ => return Err(Malformed),
        }
    }
    Ok(())
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Malformed)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed)
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = take_varint(bytes)?;
    take(bytes, usize::try_from(length).map_err(|_| Malformed)?)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], Malformed> {
    let (taken, rest) = bytes.split_at_checked(count).ok_or(Malformed)?;
    *bytes = rest;
    Ok(taken)
}
