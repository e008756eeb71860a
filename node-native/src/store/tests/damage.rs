//! The store on a disk that cannot be read, and on one that has changed what it was given.

use super::*;

/// All that can be read of a store, until the first error.
fn read_all(store: &Store, chain: &Growing) -> Result<(), StoreError> {
    let view = store.view()?;
    store.load_tree()?;
    store.load_network()?;
    store.load_mempool()?;
    view.coins()?.try_for_each(|coin| coin.map(drop))?;
    for (id, height) in chain.ids.iter().zip(0..) {
        view.block_id(Height(height))?;
        view.block(id)?;
        view.undo(id)?;
        view.filter_bytes(id)?;
        view.opening(Height(height))?;
        view.stripped_block_bytes(id)?;
    }
    view.history(view.state().height().0 + 1)?;
    Ok(())
}

/// A disk with a chain of a few blocks, closed well.
fn written(spec: &Arc<ChainSpec>) -> (Disk, Growing) {
    let (disk, mut chain) = (Disk::default(), Growing::new(spec));
    chain.grow(&open(&disk, spec).unwrap(), 12);
    (disk, chain)
}

fn is_told(error: &StoreError) {
    let said = error.to_string();
    assert!(said.contains("the database of a backend"), "{said}");
    let is_damage = matches!(error, StoreError::Damaged { .. } | StoreError::Inconsistent { .. });
    assert!(is_damage && said.contains("move it away, then start the node again"), "{said}");
}

#[test]
fn what_cannot_be_read_is_an_error_and_is_there_later() {
    let spec = spec();
    let (disk, chain) = written(&spec);
    // Without a cache, so that each question reads.
    let options = StoreOptions { cache_bytes: 0, ..StoreOptions::default() };
    let mut failures = 0;
    for after in (0..400).step_by(7) {
        let disk = disk.copy();
        disk.fail(Fault::Read, after);
        let outcome =
            Store::with_backend(disk.clone(), Arc::clone(&spec), &options).and_then(|store| read_all(&store, &chain));
        if let Err(error) = outcome {
            failures += 1;
            assert!(
                matches!(error, StoreError::Io { .. }) && error.to_string().contains("an injected fault"),
                "{error}"
            );
        }
        disk.crash(after);
        chain.check(&open(&disk, &spec).unwrap().view().unwrap());
    }
    assert!(failures > 20, "{failures}");
}

/// One byte of a page is another one. Checked, the database is as it was or is refused; unchecked, nothing worse comes of it than an error
/// that says what to do.
#[test]
fn a_damaged_page_is_an_error_that_says_what_to_do() {
    const PAGE_BYTES: usize = 4_096;
    let spec = spec();
    let (disk, chain) = written(&spec);
    let options = StoreOptions { is_checked: true, ..StoreOptions::default() };
    let pages = disk.bytes() / PAGE_BYTES;
    let (mut refused, mut whole, mut told) = (0, 0, 0);
    // Most pages are free: of those that are used, which come first, each is damaged several times.
    for (round, page) in (0..pages.min(160)).cycle().take(4 * pages.min(160)).enumerate() {
        let damaged = disk.copy();
        damaged.damage(page * PAGE_BYTES + round * 1_021 % 700, 1 << (round % 8));
        match Store::with_backend(damaged.copy(), Arc::clone(&spec), &options) {
            Ok(store) => {
                whole += 1;
                let view = store.view().unwrap();
                assert_eq!(view.state().height(), Height(12), "page {page}");
                chain.check(&view);
            }
            Err(error) => {
                refused += 1;
                is_told(&error);
            }
        }
        let unchecked = open(&damaged, &spec).and_then(|store| {
            read_all(&store, &chain)?;
            store.save_mempool(&MempoolChange {
                is_first: true,
                left: vec![],
                came: vec![],
                priorities: None,
                own: None,
            })
        });
        if let Err(error) = unchecked {
            told += 1;
            is_told(&error);
        }
    }
    eprintln!("{pages} pages; checked: {refused} refused, {whole} whole; unchecked: {told} told");
    assert!(refused > 20 && whole > 20 && told > 5);
}
