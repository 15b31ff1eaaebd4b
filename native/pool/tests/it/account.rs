use crate::fixture::{account, accounts, record};
use hn_primitives::codes;

#[test]
fn test_load_refuses_foreign_keys_and_broken_records() {
    let accounts = accounts();
    let broken = [
        (account(0).to_vec(), record(1, true)),
        (account(0)[..19].to_vec(), record(0, true)),
        (account(0).to_vec(), record(0, true)[1..].to_vec()),
        (account(0).to_vec(), Vec::new()),
    ];
    for entry in broken {
        let error = accounts
            .load([(account(1).to_vec(), record(1, true)), entry.clone()])
            .unwrap_err();
        assert_eq!(error.code(), codes::STORAGE_CORRUPT);
        let error = accounts.update([(entry.0, Some(entry.1))]).unwrap_err();
        assert_eq!(error.code(), codes::STORAGE_CORRUPT);
        assert_eq!(accounts.count(), 4, "a refused load leaves the table");
    }
}

#[test]
fn test_update_is_all_or_nothing_and_follows_writes() {
    let accounts = accounts();
    let bad = [
        (account(0).to_vec(), Some(record(0, false))),
        (vec![1; 20], Some(record(0, true))),
    ];
    assert!(accounts.update(bad).is_err());
    assert!(accounts.get(&account(0)).unwrap().active);
    let good = [
        (account(0), Some(record(0, false))),
        (account(7), Some(record(7, true))),
        (account(1), None),
    ];
    accounts.update(good).unwrap();
    assert!(!accounts.get(&account(0)).unwrap().active);
    assert_eq!(
        accounts.get(&account(7)).map(|state| state.has_role("writer")),
        Some(true)
    );
    assert!(accounts.get(&account(1)).is_none());
    assert!(accounts.update([(&[0u8; 3][..], None::<&[u8]>)]).is_err());
    assert_eq!(accounts.count(), 4);
}
