//! Words of the wallet.

pub const WELCOME: &str = "Your keys are made here, in this tab, and stay here. Nobody else can spend your money, and nobody can give it back to you.";
pub const WELCOME_MEANS: &str =
    "It takes a passphrase and one click. Twenty-four words to write down come later, before there is much to lose.";
pub const CREATE: &str = "Create a wallet";
pub const RESTORE: &str = "Restore from words";
pub const RESTORE_FILE: &str = "Restore from a file";
pub const KEYSTORE_FILE: &str = "Keystore file";
pub const KEYSTORE_FILE_HINT: &str = "One that this app has saved, or qbtc wallet backup; labels in it stay behind.";
pub const FILE_PASSPHRASE_HINT: &str = "The file's own. It encrypts the keys in this browser too.";
pub const OTHER_LAYOUT: &str = "The addresses of this wallet are made of other keys than this app uses: qbtc wallet restore --backup brings it back.";
pub const WORDS: &str = "Words";
pub const WORDS_HINT: &str = "12 to 24 words, in their order, with spaces between them.";
pub const BIRTHDAY: &str = "First block (optional)";
pub const BIRTHDAY_HINT: &str =
    "The height at which the wallet was made. Without it the whole chain is looked through, which takes longer.";
pub const NEW_PASSPHRASE: &str = "Passphrase";
pub const PASSPHRASE: &str = "Passphrase";
pub const PASSPHRASE_HINT: &str =
    "At least 8 characters. It encrypts the keys in this browser. Long and memorable is better than short and strange.";
pub const AGAIN: &str = "The same again";
pub const PASSPHRASE_LONG: &str = "This passphrase is too long.";
pub const PASSPHRASES_DIFFER: &str = "The two passphrases differ.";
pub const SEALING: &str = "Making keys…";
pub const BACK: &str = "Back";
pub const UNLOCK: &str = "Unlock";
pub const UNLOCKING: &str = "Opening…";
pub const WRONG_PASSPHRASE: &str = "This is not the passphrase. Try again: nothing is lost.";
pub const LOCK: &str = "Lock";
pub const LOCKED: &str = "The wallet is locked.";
pub const OTHER_KEEPER: &str = "Another tab keeps this wallet now, since this one stood still for a while. Try again.";
pub const OTHER_WALLET: &str =
    "Another tab has changed which wallet this browser has. Nothing was done here. Load the page again to see it.";
pub const WALLET_THERE: &str =
    "Another tab has put a wallet into this browser meanwhile. It is as it was, and none was made here.";
pub const NOT_SENT: &str = "The payment was not sent";
pub const UNDERSTOOD: &str = "Understood";
pub const NO_WALLET: &str = "There is no wallet in this browser.";
pub const FORGET: &str = "Remove this wallet from the browser";
pub const FORGET_MEANS: &str =
    "The keys are deleted here. Only the words, or a backup file with its passphrase, bring the money back.";
pub const FORGET_TYPE: &str = "Type “remove” to do it";
pub const FORGET_WORD: &str = "remove";
pub const STRANGE_CHAIN: &str = "This node runs a chain whose rules this app does not know, so it cannot check anything for a wallet. The explorer works.";
pub const STORAGE_REFUSED: &str = "This browser keeps nothing for this page";
pub const STORAGE_REFUSED_MEANS: &str = "A wallet here would be gone with the tab, and the money with it. Leave the private window, or allow this page to store data, and reload.";
pub const NOT_KEPT: &str = "The browser could not keep what the wallet knows";
pub const NOT_KEPT_MEANS: &str =
    "The keys are safe. Free some space on the disk. Until then the wallet may have to look through the chain again.";
pub const WRITE_WORDS: &str = "Write down your words";
pub const WRITE_WORDS_MEANS: &str = "If this browser loses its data, only the words bring your money back.";
pub const SHOW_WORDS: &str = "Show the words";
pub const WORDS_MEAN: &str = "Whoever has these words has your money. Write them on paper, in their order, and keep the paper where nobody looks. Do not photograph them.";
pub const WRITTEN: &str = "I have written them down";
pub const OVERVIEW: &str = "Overview";
pub const RECEIVE: &str = "Receive";
pub const SEND: &str = "Send";
pub const CONTACTS: &str = "Contacts";
pub const MESSAGES: &str = "Messages";
pub const SETTINGS: &str = "Settings";
pub const NEWEST_PAYMENTS: &str = "Newest payments";
pub const NO_PAYMENTS: &str = "No payments yet.";
pub const NO_PAYMENTS_SO_FAR: &str = "No payment was found so far. The blocks are still being looked through.";
pub const ACCOUNT: &str = "Account";
pub const CAN_BE_SPENT: &str = "Can be spent";
pub const STALE: &str = "Not up to date";
pub const CATCHING_UP: &str = "Catching up with the chain";
pub const BACKUP_FIRST: &str = "First write down your words";
pub const BACKUP_FIRST_MEANS: &str = "There is enough in this wallet now that losing it would hurt. Write the words down, then the next address is shown.";
pub const NO_ADDRESS: &str = "There is no address left. Unlock the wallet again.";
pub const NEXT_ADDRESS: &str = "Next address";
pub const RECEIVE_MEANS: &str = "Show each payer an address of his own: nobody can then see that the payments went to the same wallet. Older addresses stay yours.";
pub const QR: &str = "The address as a QR code";
pub const TO: &str = "To";
pub const OR_CONTACT: &str = "Or someone from your contacts";
pub const ADDRESS_WANTED: &str = "Type or paste an address.";
pub const AMOUNT_IN: &str = "Amount in QBTC";
pub const SEND_ALL: &str = "Send everything";
pub const FEE_MEANS: &str =
    "Miners take the fee for the space that the payment needs in a block. It does not depend on the amount.";
pub const REVIEW: &str = "Review";
pub const REVIEW_TITLE: &str = "This will happen";
pub const REVIEW_MEANS: &str =
    "Compare the whole address with the one you were given. A payment that is mined cannot be taken back.";
pub const SIGN_AND_SEND: &str = "Sign and send";
pub const SIGNING: &str = "Signing…";
pub const SENT: &str = "The payment is on its way";
pub const SPENT_SINCE: &str =
    "Another payment has spent the same coins since this one was made. Go back, and make it again.";
pub const SENT_UNSURE: &str = "The node did not say whether it has the payment. It is handed in again by itself.";
pub const TO_YOURSELF: &str = "This is one of your own addresses.";
pub const LEAVES_WALLET: &str = "Leaves your wallet";
pub const COMES_BACK: &str = "Comes back as change";
pub const RECEIVED: &str = "Received";
pub const PAID: &str = "Paid";
pub const MINED_IT: &str = "Mined";
pub const PAY_MORE: &str = "Pay more";
pub const TAKE_BACK: &str = "Take back";
pub const NAME: &str = "Name";
pub const REMOVE: &str = "Remove";
pub const NO_CONTACTS: &str = "No contacts yet.";
pub const ADD_CONTACT: &str = "Add a contact";
pub const SIGN_MESSAGE: &str = "Sign a message";
pub const SIGN_MEANS: &str = "Shows that whoever can spend from the address stands by the text. Anybody can show it again, so say in it for whom and when.";
pub const OWN_ADDRESS: &str = "Address of yours";
pub const MESSAGE: &str = "Message";
pub const MESSAGE_LONG: &str = "The message is too long.";
pub const SIGNATURE: &str = "Signature";
pub const CHECK_MESSAGE: &str = "Check a message";
pub const NOT_OWN: &str = "This is not an address of the account.";
pub const MESSAGE_HOLDS: &str = "The signature holds: the address stands by this text.";
pub const MESSAGE_FAILS: &str = "The signature does not hold";
pub const ACCOUNTS: &str = "Accounts";
pub const ACCOUNTS_MEAN: &str = "Each account has addresses and coins of its own, from the same words. After restoring from words or this app's file, add as many as there were: their coins are found again.";
pub const FIRST_ACCOUNT: &str = "Main";
pub const ACCOUNT_NAME: &str = "Name of a further account";
pub const ADD_ACCOUNT: &str = "Add";
pub const OTHER_ACCOUNT: &str = "Another account was added meanwhile. Try again.";
pub const BACKUP: &str = "Backup";
pub const BACKUP_MEANS: &str = "The words alone bring the money back; names of accounts and the address book are only in this browser. A keystore file holds the words too, under your passphrase: this app and qbtc wallet read it.";
pub const SAVE_KEYSTORE: &str = "Save keystore file";
pub const STORAGE: &str = "Storage";
pub const STORAGE_PROMISED: &str = "The browser has promised to keep this wallet.";
pub const STORAGE_MAY_GO: &str = "The browser has not promised to keep this wallet: it may delete it when the disk is full, or after some time without a visit. Make sure that the words are written down.";
pub const STORAGE_UNKNOWN: &str =
    "This browser does not say whether it keeps this wallet. Make sure that the words are written down.";
pub const ASK_AGAIN: &str = "Ask again";
pub const LOCK_AFTER: &str = "Lock";
pub const LOCK_MEANS: &str = "Without a touch, lock after";
pub const SOURCE: &str = "Source";
pub const TO_SELF: &str = "To yourself";
pub const REQUEST_AMOUNT: &str = "The amount in this request is not a number of QBTC, such as 1.5. Ask for another request, or take the address alone.";
pub const ADD_NODE: &str = "Add a node";
pub const NODE_ADDRESS: &str = "Address of a node";
pub const NODE_ADDED: &str =
    "It is asked as soon as a node is wanted, stands above once it has answered, and is then kept.";
pub const NODE_UNHEARD: &str = "The light client does not answer. Try again once it has started.";
pub const NODE_BY_SOCKET: &str = "This is an address of WebSocket, which this page may not use for other nodes. Take the one with webrtc-direct in it: the node’s page “Node” and its log say it.";
pub const EXPIRED: &str = "Expired";
pub const REPLACED: &str = "Replaced";
pub const REPLACED_BY: &str = "The other one:";
pub const GONE: &str = "Gone";
pub const TIME_LIMIT: &str = "Time limit";
pub const LIGHT_CLIENT: &str = "Light client";
pub const LIGHT_STARTS: &str = "The light client starts…";
pub const LIGHT_ALONE: &str = "The light client has no node: nothing new can be proven.";
pub const ALONE_MEANS: &str = "No node can be asked now. What is shown holds up to the last block that was proven; what happened since is not seen, and what you pay now is handed in once a node answers.";
pub const LIGHT_HANGS: &str = "The light client said nothing any more: it is started again.";
pub const LIGHT_NONE: &str = "The light client does not run in this browser: nothing can be proven.";
pub const LIGHT_UNKEPT: &str = "The light client cannot keep what it knows: it begins anew with each visit.";
pub const WORD_ONLY: &str = "No node can be reached over WebRTC. What is shown above is the word of the node that serves this page, and is checked once one can be reached.";
pub const ONE_NETWORK: &str = "All nodes are in one network and may be one person’s, who could keep the newest blocks from you. Payments that are shown are real; others may be missing.";
pub const LESS_WORK: &str =
    "All nodes claim less work than the chain is known to have. They may keep the newest blocks from you.";
pub const STALE_TIP: &str = "The newest block is unusually old. Either no blocks are mined, or the nodes keep them from you: do not rely on a payment that is not shown, or on one that is shown as waiting.";
pub const RUNS_IN: &str = "Runs in";
pub const THIS_TAB: &str = "This tab. When it closes, another tab of this app goes on.";
pub const OTHER_TAB: &str = "Another tab of this app. When that one closes, this one or another goes on.";
pub const ASKED_SO_FAR: &str = "Asked and got";
pub const NODES: &str = "Nodes";
pub const NODES_MEAN: &str = "This browser asks these nodes directly. Every answer is checked here, and what is said is sealed with post-quantum keys (X25519 and ML-KEM-768). A node’s operator sees the same seals as you do.";

/// Which seal the questions to a node go under.
pub fn sealed(seal: &str) -> String {
    format!("seal {seal}")
}

pub const SUSPECT: &str = "has been silent for a while";
