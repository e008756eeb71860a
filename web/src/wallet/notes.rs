//! What a wallet keeps in the browser beside its keystore and its accounts: nothing of it is secret, and nothing of it is needed to get the
//! money back.

use qbtc_core::units::Amount;
use serde::{Deserialize, Serialize};

/// From this balance on, in QBTC, the app wants the words written down before it shows another address.
pub const BACKUP_COINS: u32 = 1;

/// Notes of a wallet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notes {
    /// The names of the accounts; the place is the account's number.
    pub accounts: Vec<String>,
    /// Whether the user has shown that the words are written down.
    pub is_backed_up: bool,
    /// Names beside addresses of others.
    pub contacts: Vec<Contact>,
    /// After how many minutes without a touch the wallet locks itself.
    pub lock_after_min: Option<u32>,
}

/// A name, and the address that it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The name.
    pub name: String,
    /// The address.
    pub of: String,
}

/// Why a name is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameFault {
    /// Nothing was typed.
    Empty,
    /// Too long.
    Long,
    /// There are too many already.
    Full,
}

impl Notes {
    /// The longest name, in characters.
    pub const NAME_CHARACTERS_MAX: usize = 60;
    /// The most contacts.
    pub const COUNT_MAX: usize = 1_000;
    /// The most accounts: each has addresses that are looked for.
    pub const ACCOUNTS_MAX: usize = 20;
    /// The usual time until the wallet locks itself, in minutes.
    pub const LOCK_AFTER_MIN: u32 = 15;

    /// Those of a new wallet, with accounts of these names.
    #[must_use]
    pub fn new(accounts: Vec<String>, is_backed_up: bool) -> Self {
        Self { accounts, is_backed_up, ..Self::default() }
    }

    /// Reads what was kept; whatever cannot be read is as if it had never been.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut notes: Self = serde_json::from_str(text).unwrap_or_default();
        notes.accounts.truncate(Self::ACCOUNTS_MAX);
        notes.contacts.truncate(Self::COUNT_MAX);
        if notes.accounts.is_empty() {
            notes.accounts.push(String::new());
        }
        notes
    }

    /// What is kept.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers are JSON")
    }

    /// Whether the words must be written down before more is received.
    #[must_use]
    pub fn wants_backup(&self, balance: Amount) -> bool {
        !self.is_backed_up && balance >= Amount::from_coins(BACKUP_COINS)
    }

    /// The name of an address, if it has one.
    #[must_use]
    pub fn name_of(&self, address: &str) -> Option<&str> {
        self.contacts.iter().find(|contact| contact.of == address).map(|contact| contact.name.as_str())
    }

    /// Puts a name beside an address, in place of the one it had.
    ///
    /// # Errors
    /// [`NameFault`].
    pub fn set_contact(&mut self, name: &str, of: &str) -> Result<(), NameFault> {
        let name = check_name(name)?;
        self.contacts.retain(|contact| contact.of != of);
        if self.contacts.len() >= Self::COUNT_MAX {
            return Err(NameFault::Full);
        }
        self.contacts.push(Contact { name, of: of.to_owned() });
        self.contacts.sort_by_key(|contact| contact.name.to_lowercase());
        Ok(())
    }

    /// Adds an account, and returns its number.
    ///
    /// # Errors
    /// [`NameFault`].
    pub fn add_account(&mut self, name: &str) -> Result<u32, NameFault> {
        let name = check_name(name)?;
        if self.accounts.len() >= Self::ACCOUNTS_MAX {
            return Err(NameFault::Full);
        }
        self.accounts.push(name);
        u32::try_from(self.accounts.len() - 1).map_err(|_| NameFault::Full)
    }
}

fn check_name(name: &str) -> Result<String, NameFault> {
    match name.trim() {
        "" => Err(NameFault::Empty),
        name if name.chars().count() > Notes::NAME_CHARACTERS_MAX => Err(NameFault::Long),
        name => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_wanted_before_much_money_lies_there() {
        let mut notes = Notes::new(vec!["Main".to_owned()], false);
        assert!(!notes.wants_backup(Amount::from_quanta(99_999_999).unwrap()));
        assert!(notes.wants_backup(Amount::from_coins(1)));
        notes.is_backed_up = true;
        assert!(!notes.wants_backup(Amount::from_coins(100)));
    }

    #[test]
    fn notes_are_kept_and_damage_is_survived() {
        let mut notes = Notes::new(vec!["Main".to_owned()], false);
        notes.set_contact(" Ada ", "dbqs1a").unwrap();
        assert_eq!(Notes::parse(&notes.to_text()), notes);
        assert_eq!(notes.name_of("dbqs1a"), Some("Ada"));
        assert_eq!(Notes::parse("{").accounts.len(), 1);
        let flood = serde_json::json!({ "accounts": vec!["x"; 5_000] }).to_string();
        assert_eq!(Notes::parse(&flood).accounts.len(), Notes::ACCOUNTS_MAX);
    }

    #[test]
    fn what_an_earlier_version_has_kept_is_read() {
        let text = r#"{"accounts":["Main"],"is_backed_up":true,"contacts":[{"name":"Ada","of":"a"}],"labels":[{"name":"Rent","of":"t"}],"lock_after_min":5}"#;
        let notes = Notes::parse(text);
        assert_eq!((notes.name_of("a"), notes.is_backed_up, notes.lock_after_min), (Some("Ada"), true, Some(5)));
        assert!(!notes.to_text().contains("labels"));
    }

    #[test]
    fn names_have_limits() {
        let mut notes = Notes::new(vec!["Main".to_owned()], false);
        assert_eq!(notes.set_contact("  ", "a"), Err(NameFault::Empty));
        assert_eq!(notes.set_contact(&"x".repeat(61), "a"), Err(NameFault::Long));
        for number in 1..Notes::ACCOUNTS_MAX {
            assert_eq!(notes.add_account("more"), Ok(u32::try_from(number).unwrap()));
        }
        assert_eq!(notes.add_account("more"), Err(NameFault::Full));
    }

    #[test]
    fn a_second_name_replaces_the_first() {
        let mut notes = Notes::new(vec!["Main".to_owned()], false);
        notes.set_contact("Ada", "a").unwrap();
        notes.set_contact("Bob", "a").unwrap();
        assert_eq!((notes.contacts.len(), notes.name_of("a")), (1, Some("Bob")));
    }
}
