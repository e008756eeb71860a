//! What is asked of somebody who sits at a terminal: passphrases twice and unseen, words once, and whether to send.

use std::process::Command;

use nix::sys::wait::WaitStatus;
use rexpect::session::{PtySession, spawn_command};
use serde_json::Value;

use crate::support::User;
use crate::wallet::rich;

const PATIENCE_MS: u64 = 120_000;

/// A command at a terminal, and all that has been shown there.
struct Terminal {
    session: PtySession,
    shown: String,
}

impl Terminal {
    fn open(user: &User, args: &[&str]) -> Self {
        let program = user.command(args);
        // rexpect turns the echo of its terminals off; people have it on, and what must not be seen is to be hidden by the program.
        let mut shell = Command::new("sh");
        shell.args(["-c", "stty echo && exec \"$0\" \"$@\""]).arg(program.get_program()).args(program.get_args());
        shell.current_dir(program.get_current_dir().unwrap());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        Self { session: spawn_command(shell, Some(PATIENCE_MS)).unwrap(), shown: String::new() }
    }

    /// Waits until this is asked, and types an answer.
    fn answer(&mut self, question: &str, answer: &str) {
        self.shown += &self.session.exp_string(question).unwrap();
        self.shown += question;
        self.session.send_line(answer).unwrap();
    }

    /// Waits for the end; the status, and all that was shown.
    fn ended(mut self) -> (i32, String) {
        self.shown += &self.session.exp_eof().unwrap();
        let WaitStatus::Exited(_, status) = self.session.process().wait().unwrap() else { panic!("{}", self.shown) };
        (status, self.shown)
    }
}

#[test]
fn a_new_passphrase_is_asked_twice_and_unseen_and_words_are_shown_once() {
    let user = User::new();
    let mut terminal = Terminal::open(&user, &["wallet", "create"]);
    for (question, answer) in [
        ("New passphrase: ", "a wall, a fence"),
        ("Once more: ", "a wall, a fense"),
        ("They differ. Again:\r\nNew passphrase: ", "short"),
        ("Once more: ", ""),
        ("New passphrase: ", "a wall, a fence"),
        ("Once more: ", "a wall, a fence"),
    ] {
        terminal.answer(question, answer);
    }
    let (status, shown) = terminal.ended();
    assert_eq!(status, 0, "{shown}");
    assert!(shown.contains("That is short") && !shown.contains("a wall"), "a passphrase is seen: {shown}");
    let words: Vec<&str> = shown
        .lines()
        .flat_map(|line| line.split_whitespace().collect::<Vec<_>>().chunks(2).map(<[_]>::to_vec).collect::<Vec<_>>())
        .filter_map(|pair| Some((pair.first()?.parse::<u8>().ok()?, *pair.get(1)?)))
        .map(|(_, word)| word)
        .collect();
    assert_eq!(words.len(), 24, "{shown}");
    // Whoever types them has the same wallet.
    let address = user.done(&["wallet", "--offline", "address"]);
    let mut again = Terminal::open(&user, &["wallet", "restore", "again"]);
    again.answer("an empty line ends them:", &words.join(" "));
    again.answer("New passphrase: ", "another wall");
    again.answer("Once more: ", "another wall");
    let (status, shown) = again.ended();
    assert_eq!(status, 0, "{shown}");
    assert_eq!(user.done(&["wallet", "-w", "again", "--offline", "address"]), address);
}

#[test]
fn who_types_it_differently_three_times_has_no_wallet() {
    let user = User::new();
    let mut terminal = Terminal::open(&user, &["wallet", "create"]);
    for number in 0..3 {
        terminal.answer("New passphrase: ", "a wall, a fence");
        terminal.answer("Once more: ", &format!("a wall, a fence {number}"));
    }
    let (status, shown) = terminal.ended();
    assert!(status == 1 && shown.contains("in different ways 3 times"), "{status}: {shown}");
    assert_eq!(user.wallet(&["list"])["wallets"], Value::Array(Vec::new()));
}

#[test]
fn nothing_is_sent_before_somebody_agrees() {
    let (user, node, bob) = rich();
    let send = ["wallet", "-w", "rich", "send", &*format!("{bob}=1")];
    for answer in ["n", "", "yess"] {
        let mut terminal = Terminal::open(&user, &send);
        terminal.answer("Send it? [y/N] ", answer);
        let (status, shown) = terminal.ended();
        assert!(status == 1 && shown.contains("nothing was sent"), "{status}: {shown}");
        assert!(shown.contains(&bob), "what would be done is shown: {shown}");
    }
    let mut wrong = Terminal::open(&user, &send);
    wrong.answer("Send it? [y/N] ", "y");
    for _ in 0..3 {
        wrong.answer("Passphrase of wallet rich: ", "open barley");
    }
    let (status, shown) = wrong.ended();
    assert!(status == 4 && shown.contains("That is not the passphrase"), "{status}: {shown}");
    assert_eq!(node.waiting(), Vec::<String>::new());

    let mut right = Terminal::open(&user, &send);
    right.answer("Send it? [y/N] ", "y");
    right.answer("Passphrase of wallet rich: ", "open sesame");
    let (status, shown) = right.ended();
    assert_eq!(status, 0, "{shown}");
    assert_eq!(node.waiting().len(), 1);
}
