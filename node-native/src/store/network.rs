//! What is known of other nodes, over a restart. Nothing of it belongs to the chain: losing it costs a search.

use std::collections::BTreeMap;

use qbtc_core::codec;
use qbtc_core::net::addresses::{AddressBook, Entry, PeerAddress};
use qbtc_core::net::{Ban, Subnet};
use redb::{ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction};
use serde::Serialize;

use super::tables::{ANCHORS, BANS, META, META_NODES_KEY, NODES};
use super::{Store, StoreError};

/// The address book, the bans and the anchors of the last run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredNetwork {
    /// The key of the address book. None, if none was kept.
    pub key: Option<[u8; 16]>,
    /// Its entries.
    pub entries: Vec<Entry>,
    /// Bans, by their subnets.
    pub bans: BTreeMap<Subnet, Ban>,
    /// Nodes that are dialled first.
    pub anchors: Vec<PeerAddress>,
}

/// The most bytes of an entry.
const ENTRY_BYTES_MAX: usize = 512;
/// The most anchors that are read.
const ANCHORS_MAX: usize = 8;

impl Store {
    /// What was kept. Rows that are not understood are left out, since a node can do without them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load_network(&self) -> Result<StoredNetwork, StoreError> {
        self.gate.pass(|| {
            let transaction = self.database.begin_read()?;
            let key = {
                let meta = transaction.open_table(META)?;
                meta.get(META_NODES_KEY)?.and_then(|bytes| bytes.value().try_into().ok())
            };
            let mut stored = StoredNetwork { key, ..StoredNetwork::default() };
            match transaction.open_table(NODES) {
                Ok(table) => {
                    for row in table.iter()?.take(AddressBook::ADDRESSES_MAX) {
                        stored.entries.extend(codec::decode(row?.1.value(), ENTRY_BYTES_MAX).ok());
                    }
                }
                Err(TableError::TableDoesNotExist(_)) => {}
                Err(error) => return Err(error.into()),
            }
            match transaction.open_table(BANS) {
                Ok(table) => {
                    for row in table.iter()? {
                        let (subnet, ban) = row?;
                        let ban = codec::decode(ban.value(), Ban::BYTES_MAX).ok();
                        stored.bans.extend(subnet.value().parse().ok().zip(ban));
                    }
                }
                Err(TableError::TableDoesNotExist(_)) => {}
                Err(error) => return Err(error.into()),
            }
            match transaction.open_table(ANCHORS) {
                Ok(table) => {
                    for row in table.iter()?.take(ANCHORS_MAX) {
                        stored.anchors.extend(row?.1.value().parse().ok());
                    }
                }
                Err(TableError::TableDoesNotExist(_)) => {}
                Err(error) => return Err(error.into()),
            }
            Ok(stored)
        })
    }

    /// Keeps all this in place of what was kept before.
    ///
    /// # Errors
    /// [`StoreError`]; then what was kept before is still there.
    pub fn save_network(&self, network: &StoredNetwork) -> Result<(), StoreError> {
        self.gate.pass(|| {
            let transaction = self.begin_write()?;
            if let Some(key) = &network.key {
                transaction.open_table(META)?.insert(META_NODES_KEY, &key[..])?;
            }
            rewrite(&transaction, NODES, network.entries.iter().map(|entry| (entry.address.to_string(), entry)))?;
            rewrite(&transaction, BANS, network.bans.iter().map(|(subnet, ban)| (subnet.to_string(), ban)))?;
            {
                let mut table = transaction.open_table(ANCHORS)?;
                table.retain(|_, _| false)?;
                for (number, address) in (0..).zip(&network.anchors) {
                    table.insert(number, address.as_str())?;
                }
            }
            transaction.commit()?;
            Ok(())
        })
    }
}

fn rewrite<'a, T: Serialize + 'a>(
    transaction: &WriteTransaction,
    table: TableDefinition<'_, &'static str, &'static [u8]>,
    rows: impl Iterator<Item = (String, &'a T)>,
) -> Result<(), StoreError> {
    let mut table = transaction.open_table(table)?;
    table.retain(|_, _| false)?;
    for (key, value) in rows {
        table.insert(key.as_str(), &codec::encode(value)[..])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use qbtc_core::net::addresses::{AddressNews, Group};
    use qbtc_core::net::{BanList, Services};
    use qbtc_core::spec::ChainSpec;
    use qbtc_core::units::BlockTime;

    use super::*;
    use crate::store::StoreOptions;

    #[test]
    fn what_is_known_of_nodes_outlives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let spec = Arc::new(ChainSpec::dev());
            Store::open(&folder.path().join("chain"), spec, &StoreOptions::default()).unwrap()
        };
        assert_eq!(open().load_network().unwrap(), StoredNetwork::default());
        let (mut book, mut bans, now) = (AddressBook::new([5; 16]), BanList::default(), BlockTime(1_800_000_000));
        for number in 0..1_000u32 {
            let address: PeerAddress =
                format!("/ip4/{}/udp/1/quic-v1", Ipv4Addr::from(number << 16 | 1)).parse().unwrap();
            let news = AddressNews { address: address.clone(), services: Services::NODE, last_seen: now };
            book.add(news, Group::Name, now);
            if number % 3 == 0 {
                book.connected(&address, Services::LIGHT, now);
            }
        }
        bans.punish([8, 8, 8, 8].into(), "junk", now).unwrap();
        bans.set("10.0.0.0/8".parse().unwrap(), BlockTime(u32::MAX), "said so", now).unwrap();
        let network = StoredNetwork {
            key: Some(*book.key()),
            entries: book.entries().cloned().collect(),
            bans: bans.all().map(|(subnet, ban)| (*subnet, ban.clone())).collect(),
            anchors: book.entries().take(2).map(|entry| entry.address.clone()).collect(),
        };
        open().save_network(&network).unwrap();
        let loaded = open().load_network().unwrap();
        let again = AddressBook::restore(loaded.key.unwrap(), loaded.entries);
        assert!(again.entries().eq(book.entries()) && again.tried_len() > 200);
        assert_eq!(BanList::restore(loaded.bans), bans);
        assert_eq!(loaded.anchors, network.anchors);
        // What is gone is gone.
        open().save_network(&StoredNetwork { key: Some([5; 16]), ..StoredNetwork::default() }).unwrap();
        let empty = open().load_network().unwrap();
        assert_eq!((empty.entries.len(), empty.bans.len(), empty.anchors.len()), (0, 0, 0));
    }

    #[test]
    fn rows_that_are_not_understood_are_left_out() {
        let spec = Arc::new(ChainSpec::dev());
        let backend = redb::backends::InMemoryBackend::new();
        let store = Store::with_backend(backend, spec, &StoreOptions::default()).unwrap();
        let transaction = store.begin_write().unwrap();
        transaction.open_table(NODES).unwrap().insert("/ip4/1.2.3.4/tcp/1", &[1, 2, 3][..]).unwrap();
        transaction.open_table(BANS).unwrap().insert("everybody", &[0, 0, 0, 0][..]).unwrap();
        transaction.open_table(ANCHORS).unwrap().insert(0, "nobody").unwrap();
        transaction.commit().unwrap();
        assert_eq!(store.load_network().unwrap(), StoredNetwork::default());
    }
}
