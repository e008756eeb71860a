//! Who may call: logins over HTTP's Basic scheme, and the cookie file that programs on the same machine find theirs in.
//!
//! Passwords are kept as salted hashes (HMAC-SHA256, as Bitcoin's `rpcauth` lines have them) and compared in constant time, every
//! login each time, so that an answer's delay tells nothing about which names exist.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use axum::http::HeaderValue;
use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::files::write_private;

/// The name that goes with a cookie's password.
const COOKIE_USER: &str = "__cookie__";
/// The random bytes of a cookie's password.
const COOKIE_BYTES: usize = 32;
/// The random bytes of a salt.
const SALT_BYTES: usize = 16;

/// Who may call.
#[derive(Default)]
pub struct Credentials {
    logins: Vec<Login>,
}

struct Login {
    user: String,
    salt: Vec<u8>,
    hash: [u8; 32],
}

/// Why a login cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// A name that HTTP's Basic scheme cannot carry.
    #[error("RPC user {found:?}: expected at least one character, and no colon")]
    User {
        /// The name found.
        found: String,
    },
    /// Not a line of salted hash.
    #[error("rpcauth line without its form USER:SALT$HASH, where HASH has 64 hex digits")]
    Line,
    /// No password.
    #[error("RPC user {user:?} has an empty password")]
    Password {
        /// Whose.
        user: String,
    },
}

/// Why a call is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It brings no login.
    Missing,
    /// It brings a wrong one.
    Wrong,
}

impl Credentials {
    /// Nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With whoever can read the cookie file.
    #[must_use]
    pub fn with_cookie(mut self, cookie: &Cookie) -> Self {
        self.logins.push(Login::new(COOKIE_USER, &cookie.password));
        self
    }

    /// With a name and a password.
    ///
    /// # Errors
    /// [`LoginError`] for an empty name or password, or a name with a colon.
    pub fn with_password(mut self, user: &str, password: &str) -> Result<Self, LoginError> {
        check_user(user)?;
        if password.is_empty() {
            return Err(LoginError::Password { user: user.to_owned() });
        }
        self.logins.push(Login::new(user, password));
        Ok(self)
    }

    /// With a name and a salted hash of its password: `USER:SALT$HASH`, where HASH is HMAC-SHA256 of the password with the salt's
    /// characters as its key.
    ///
    /// # Errors
    /// [`LoginError`] for a line of another form.
    pub fn with_rpcauth(mut self, line: &str) -> Result<Self, LoginError> {
        let (user, rest) = line.split_once(':').ok_or(LoginError::Line)?;
        let (salt, hash) = rest.split_once('$').ok_or(LoginError::Line)?;
        check_user(user)?;
        let mut login = Login { user: user.to_owned(), salt: salt.into(), hash: [0; 32] };
        hex::decode_to_slice(hash, &mut login.hash).map_err(|_| LoginError::Line)?;
        self.logins.push(login);
        Ok(self)
    }

    /// Checks what a request brings in its `Authorization` header.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn check(&self, authorization: Option<&HeaderValue>) -> Result<(), Denied> {
        let header = authorization.ok_or(Denied::Missing)?;
        let (user, password) = basic(header).ok_or(Denied::Wrong)?;
        let matches = |login: &Login| login.user.as_bytes().ct_eq(&user) & login.hash(&password).ct_eq(&login.hash);
        let any = self.logins.iter().map(matches).fold(Choice::from(0), |any, each| any | each);
        if bool::from(any) { Ok(()) } else { Err(Denied::Wrong) }
    }
}

fn check_user(user: &str) -> Result<(), LoginError> {
    if user.is_empty() || user.contains(':') {
        return Err(LoginError::User { found: user.to_owned() });
    }
    Ok(())
}

impl Login {
    fn new(user: &str, password: &str) -> Self {
        let mut salt = vec![0; SALT_BYTES];
        fill_random(&mut salt);
        let mut login = Self { user: user.to_owned(), salt, hash: [0; 32] };
        login.hash = login.hash(password.as_bytes());
        login
    }

    fn hash(&self, password: &[u8]) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(&self.salt).expect("HMAC takes keys of every length");
        mac.chain_update(password).finalize().into_bytes().into()
    }
}

/// Name and password of a header of the Basic scheme (RFC 7617).
fn basic(header: &HeaderValue) -> Option<(Vec<u8>, Zeroizing<Vec<u8>>)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(Base64::decode_vec(encoded.trim()).ok()?);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (user, password) = decoded.split_at(colon);
    Some((user.to_vec(), Zeroizing::new(password[1..].to_vec())))
}

fn fill_random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system gives random bytes, without which no node can run");
}

/// A password that is made anew at each start, in a file that only the node's own user can read. The file goes with the value.
pub struct Cookie {
    path: PathBuf,
    password: Zeroizing<String>,
}

impl Cookie {
    /// Writes a new cookie file, in place of one that an earlier run may have left.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut bytes = Zeroizing::new([0; COOKIE_BYTES]);
        fill_random(bytes.as_mut());
        let cookie = Self { path: path.to_owned(), password: Zeroizing::new(hex::encode(*bytes)) };
        write_private(path, cookie.text().as_bytes())?;
        Ok(cookie)
    }

    /// What the file holds: the login as `name:password`.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{COOKIE_USER}:{}", &*self.password))
    }
}

/// Takes the file away, unless it is another node's by now.
impl Drop for Cookie {
    fn drop(&mut self) {
        if fs::read_to_string(&self.path).is_ok_and(|text| text == *self.text()) {
            // Left behind, it lets nobody in: its password ends with this value.
            drop(fs::remove_file(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::cookie_file;

    fn header(login: &str) -> HeaderValue {
        HeaderValue::from_str(&format!("Basic {}", Base64::encode_string(login.as_bytes()))).unwrap()
    }

    #[test]
    fn only_the_right_pair_passes() {
        let credentials =
            Credentials::new().with_password("alice", "pass:word").unwrap().with_password("bob", "b").unwrap();
        assert_eq!(credentials.check(Some(&header("alice:pass:word"))), Ok(()));
        assert_eq!(credentials.check(Some(&header("bob:b"))), Ok(()));
        for wrong in ["alice:b", "bob:pass:word", "alice:pass:word ", "Alice:pass:word", ":", "alice", "", "alice:"] {
            assert_eq!(credentials.check(Some(&header(wrong))), Err(Denied::Wrong), "{wrong}");
        }
        assert_eq!(credentials.check(None), Err(Denied::Missing));
        for malformed in ["Bearer abc", "Basic", "Basic !", "Basic YWxpY2U6cGFzczp3b3Jk YQ==", ""] {
            assert_eq!(
                credentials.check(Some(&HeaderValue::from_static(malformed))),
                Err(Denied::Wrong),
                "{malformed}"
            );
        }
        assert_eq!(Credentials::new().check(Some(&header(":"))), Err(Denied::Wrong), "without logins nobody passes");
    }

    /// Salt, password and hash from Bitcoin Core's `test/functional/rpc_users.py`.
    #[test]
    fn lines_of_salted_hashes_are_those_of_bitcoin() {
        let line =
            "rt:93648e835a54c573682c2eb19f882535$7681e9c5b74bdd85e78166031d2058e1069b3ed7ed967c93fc63abba06f31144";
        let credentials = Credentials::new().with_rpcauth(line).unwrap();
        let right = "rt:cA773lm788buwYe4g4WT+05pKyNruVKjQ25x3n0DQcM=";
        assert_eq!(credentials.check(Some(&header(right))), Ok(()));
        assert_eq!(credentials.check(Some(&header("rt:wrong"))), Err(Denied::Wrong));
        for malformed in ["rt", "rt:salt", "rt:salt$zz", "rt:salt$00"] {
            assert_eq!(Credentials::new().with_rpcauth(malformed).err(), Some(LoginError::Line), "{malformed}");
        }
    }

    #[test]
    fn names_and_passwords_that_cannot_work_are_refused() {
        assert!(matches!(Credentials::new().with_password("a:b", "c"), Err(LoginError::User { .. })));
        assert!(matches!(Credentials::new().with_password("", "c"), Err(LoginError::User { .. })));
        assert!(matches!(Credentials::new().with_password("a", ""), Err(LoginError::Password { .. })));
    }

    #[test]
    fn a_cookie_lives_as_long_as_its_node() {
        let folder = tempfile::tempdir().unwrap();
        let path = cookie_file(folder.path());
        fs::write(&path, "left by an earlier run").unwrap();
        let cookie = Cookie::create(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.len(), "__cookie__:".len() + 2 * COOKIE_BYTES);
        assert_eq!(Credentials::new().with_cookie(&cookie).check(Some(&header(&text))), Ok(()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let next = Cookie::create(&path).unwrap();
        assert_eq!(Credentials::new().with_cookie(&next).check(Some(&header(&text))), Err(Denied::Wrong));
        drop(cookie);
        assert!(path.exists(), "the file is the next node's");
        drop(next);
        assert!(!path.exists());
    }
}
