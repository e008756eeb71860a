//! Jobs and the shares found for them: what counts, what is refused and with which code.

use super::*;

#[test]
fn a_miner_finds_a_block_that_the_chain_accepts() {
    for rule in [ShareRule::CPUMINER_OPT, ShareRule::MINERD] {
        let mut scene = Scene::with(|settings| settings.difficulty_start = Difficulty::new(1.0).unwrap());
        scene.log_in();
        // Never above the network: the dev chain asks for 2^16 hashes.
        assert_eq!(scene.miner.job().difficulty, 2f64.powi(-16));
        let share = scene.miner.mine(rule);
        let request = scene.miner.submit_request(&share);
        assert_eq!(scene.ask(&request), true);
        let [Output::Accepted(difficulty), Output::Found(found)] = &scene.other[..] else {
            panic!("{:?}", scene.other);
        };
        assert_eq!((difficulty.value(), &found.user), (2f64.powi(-16), &user()));
        let block = found.work.template().checked_block(&found.solution, &ChainSpec::dev()).unwrap();
        assert_eq!(block.header().to_bytes(), share.header);
        assert_eq!(block.coinbase().outputs[0].lock, qbtc_core::lock::Lock::Address(address()));
        assert_eq!(block.coinbase().extra[..4], EXTRANONCE1);
    }
}

#[test]
fn shares_are_judged_with_their_codes() {
    let mut scene = Scene::working();
    let share = scene.miner.mine(ShareRule::CPUMINER_OPT);
    let request = scene.miner.submit_request(&share);
    assert_eq!(scene.ask(&request), true);
    assert_eq!(code(&scene.ask(&request)), 22);
    let low = scene.miner.mine_until(|hash| hash[31] >= 0x80);
    let request = scene.miner.submit_request(&low);
    assert_eq!(code(&scene.ask(&request)), 23);
    let (user, nonce) = (user(), "00000000");
    for (params, expected) in [
        (json!([user, "ffff", "0000000000000000", "00000000", nonce]), 21),
        (json!([user, "", "0000000000000000", "00000000", nonce]), 21),
        (json!([format!("{user}2"), share.job, "0000000000000000", "00000000", nonce]), 24),
        (json!([user, share.job, "000000000000", "00000000", nonce]), 20),
        (json!([user, share.job, "0000000000000000", "0", nonce]), 20),
        (json!([user, share.job, "0000000000000000", "00000000"]), 20),
        (json!([user, 1, "0000000000000000", "00000000", nonce]), 20),
        (json!([]), 20),
    ] {
        assert_eq!(code(&scene.submit_params(&params)), expected, "{params}");
    }
    let refused = scene.other.iter().filter(|output| matches!(output, Output::Refused(_))).count();
    assert_eq!(refused, 10);
}

#[test]
fn times_are_held_to_the_chains_range() {
    let mut scene = Scene::working();
    let least = ChainSpec::dev().genesis().header.time.0 + 1;
    let most = scene.now.time.0 + ChainSpec::dev().consensus().future_limit_s;
    for (time, is_good) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
        let mined = (0..u32::MAX).map(|nonce| scene.miner.try_out(&[1; 8], time, nonce, None));
        let limit = ShareRule::CPUMINER_OPT.0 / scene.miner.job().difficulty;
        let share = mined.into_iter().find(|share| top(&share.hash) < limit).unwrap();
        let request = scene.miner.submit_request(&share);
        let answer = scene.ask(&request);
        assert_eq!(answer == true, is_good, "{time}: {answer}");
    }
}

#[test]
fn a_new_tip_makes_old_shares_stale_and_new_transactions_do_not() {
    let mut scene = Scene::working();
    assert!(scene.miner.job().is_clean);
    let old = scene.miner.mine(ShareRule::CPUMINER_OPT);
    scene.session.work(work(0));
    scene.settle();
    assert!(!scene.miner.job().is_clean);
    assert_ne!(scene.miner.job().id, old.job);
    let request = scene.miner.submit_request(&old);
    assert_eq!(scene.ask(&request), true);
    let old = scene.miner.mine(ShareRule::CPUMINER_OPT);
    scene.session.work(work(1));
    scene.settle();
    assert!(scene.miner.job().is_clean);
    let request = scene.miner.submit_request(&old);
    assert_eq!(code(&scene.ask(&request)), 21);
    let new = scene.miner.mine(ShareRule::CPUMINER_OPT);
    let request = scene.miner.submit_request(&new);
    assert_eq!(scene.ask(&request), true);
}

#[test]
fn only_so_many_jobs_are_kept() {
    let mut scene = Scene::working();
    let first = scene.miner.mine(ShareRule::CPUMINER_OPT);
    scene.session.work(work(0));
    scene.settle();
    let second = scene.miner.mine(ShareRule::CPUMINER_OPT);
    for _ in 0..JOBS_MAX - 1 {
        scene.session.work(work(0));
    }
    scene.settle();
    assert_eq!(scene.session.jobs.len(), JOBS_MAX);
    let requests = [scene.miner.submit_request(&first), scene.miner.submit_request(&second)];
    assert_eq!(code(&scene.ask(&requests[0])), 21);
    assert_eq!(scene.ask(&requests[1]), true);
}

/// The rule of difficulty: a share counts by the job that it was found for, whatever was asked since.
#[test]
fn a_new_difficulty_holds_for_jobs_that_follow() {
    let mut scene = Scene::working();
    let easy = scene.miner.job().difficulty;
    let (first, second) = (scene.miner.mine(ShareRule::MINERD), scene.miner.mine(ShareRule::MINERD));
    let harder = easy * 64.0;
    assert_eq!(scene.ask(&json!({"id": 9, "method": "mining.suggest_difficulty", "params": [harder]})), true);
    assert_eq!(scene.sent.len(), 3, "answer, difficulty and job: {:?}", scene.sent);
    assert_eq!(scene.miner.job().difficulty, harder);
    assert!(!scene.miner.job().is_clean);
    // A share that was good enough a moment ago, but not for the new job.
    let enough = ShareRule::CPUMINER_OPT.0;
    let easy_one = scene.miner.mine_until(|hash| (enough / harder * 1.01..enough / easy).contains(&top(hash)));
    for (share, is_good) in [(&first, true), (&second, true), (&easy_one, false)] {
        let request = scene.miner.submit_request(share);
        let answer = scene.ask(&request);
        assert!(if is_good { answer == true } else { code(&answer) == 23 }, "{answer}");
    }
    let hard = scene.miner.mine(ShareRule::CPUMINER_OPT);
    let request = scene.miner.submit_request(&hard);
    assert_eq!(scene.ask(&request), true);
}

#[test]
fn a_fast_miner_gets_harder_jobs_and_a_silent_one_easier() {
    let mut scene = Scene::working();
    let start = scene.miner.job().difficulty;
    for _ in 0..24 {
        let share = scene.miner.mine(ShareRule::CPUMINER_OPT);
        let request = scene.miner.submit_request(&share);
        assert_eq!(scene.ask(&request), true);
    }
    let raised = scene.miner.job().difficulty;
    assert!((raised / start - 64.0).abs() < 1e-9, "{start} to {raised}");
    let deadline = scene.session.deadline();
    scene.now.elapsed = deadline;
    scene.tick();
    assert!(scene.miner.job().difficulty < raised);
    assert!(scene.session.deadline() > deadline, "a deadline that has passed would spin");
}

/// A machine that was started far too easy has a heap of easy shares on their way when the harder job reaches it.
#[test]
fn late_shares_of_easy_jobs_do_not_make_it_easy_again() {
    let mut scene = Scene::working();
    let late: Vec<_> = (0..30).map(|_| scene.miner.mine(ShareRule::CPUMINER_OPT)).collect();
    let harder = scene.miner.job().difficulty * 64.0;
    scene.ask(&json!({"id": 9, "method": "mining.suggest_difficulty", "params": [harder]}));
    assert_eq!(scene.miner.job().difficulty, harder);
    for share in &late {
        let request = scene.miner.submit_request(share);
        scene.after(1);
        assert_eq!(scene.ask(&request), true);
    }
    assert_eq!(scene.miner.job().difficulty, harder);
}
