//! Short runs of the simulator: seconds of real time, an hour or so of the nodes' time. docs/simulation.md tells what each run checks.

use qbtc_tests::sim::{Lie, Report, Scenario, Trouble, run};

/// Runs a scenario in which every check must hold.
fn pass(scenario: &Scenario) -> Report {
    match run(scenario) {
        Ok(report) => report,
        Err(failure) => panic!("\n{failure}\n"),
    }
}

#[test]
fn twenty_calm_nodes_agree_and_blame_nobody() {
    let report = pass(&Scenario::calm(1, 20));
    assert!(report.honest_faults.is_empty(), "{report}");
    assert!(report.height > 60 && report.payments > 10 && report.spread_ms.len() > 10, "{report}");
    assert!(report.spread().1 < 2_000, "{report}");
}

#[test]
fn one_seed_makes_one_run() {
    let scenario =
        Scenario { troubles: Trouble::ALL.to_vec(), liars: Lie::ALL.to_vec(), minutes: 10, ..Scenario::calm(5, 6) };
    assert_eq!(pass(&scenario), pass(&scenario));
    assert_ne!(pass(&scenario).trace, pass(&Scenario { seed: 6, ..scenario }).trace);
}

#[test]
fn a_partition_heals_with_a_deep_reorg() {
    let scenario = Scenario { troubles: vec![Trouble::Partitions], minutes: 60, ..Scenario::calm(3, 12) };
    let report = pass(&scenario);
    assert!(report.partitions > 0 && report.reorg_depth_max >= 3, "{report}");
}

#[test]
fn fresh_nodes_get_a_chain_of_several_answers() {
    let report = pass(&Scenario { blocks: 2_100, fresh: 2, minutes: 5, ..Scenario::calm(4, 4) });
    assert!(report.height > 2_100, "{report}");
    assert!(report.honest_faults.is_empty(), "{report}");
}

#[test]
fn nodes_that_crash_come_back() {
    let scenario = Scenario { troubles: vec![Trouble::Crashes], minutes: 120, ..Scenario::calm(2, 12) };
    assert!(pass(&scenario).crashes > 5);
}

#[test]
fn lines_that_lose_packets_slow_the_network_and_stop_nobody() {
    let calm = Scenario { blocks: 300, fresh: 2, minutes: 60, ..Scenario::calm(13, 20) };
    let lossy = pass(&Scenario { troubles: vec![Trouble::Loss], ..calm.clone() });
    let calm = pass(&calm);
    assert!(lossy.spread().0 > calm.spread().0 && lossy.height > 400, "{lossy}\n{calm}");
}

#[test]
fn large_blocks_spread_over_slow_lines() {
    let scenario = Scenario {
        payments: 1_000,
        payment_bytes: 40_000,
        block_bytes: 4_194_304,
        fresh: 1,
        minutes: 30,
        blocks: 40,
        ..Scenario::calm(9, 8)
    };
    let report = pass(&scenario);
    assert!(report.sent_bytes > 100_000_000, "{report}");
}

/// What shows that a lie was told, and found out: a fault by this name, or a body that was refused.
const fn found_out(lie: Lie) -> &'static [&'static str] {
    match lie {
        Lie::Withhold => &["Withheld", "Timeout"],
        Lie::BadWork => &["NoWork"],
        Lie::BadBits | Lie::EndlessHeaders => &["Header"],
        Lie::FakeTip | Lie::LowWork => &["ClaimNotShown"],
        Lie::WrongBodies => &["Body", "OtherBlock"],
        Lie::InvalidLate => &["refused"],
        Lie::Stall => &["Timeout", "Stalled"],
        Lie::Unrequested => &["OtherAnswer"],
        // It costs some bytes and is no fault: honest nodes do it too.
        Lie::Duplicates => &[],
        Lie::Garbage => &["CompactBlock"],
        // Whoever is quicker is taken: that somebody else is slower is no fault.
        Lie::Silent => &[],
    }
}

/// Each liar, among honest nodes; and around a fresh node that has one honest address.
fn lie_everywhere(lie: Lie) {
    let few = Scenario { liars: vec![lie; 3], fresh: 2, blocks: 300, ..Scenario::calm(11, 8) };
    let around = Scenario { liars: vec![lie; 6], is_surrounded: true, nodes: 4, ..few.clone() };
    let reports = [pass(&few), pass(&around)];
    let was_found = |name: &&str| match *name {
        "refused" => reports.iter().any(|report| report.refused > 0),
        name => reports.iter().any(|report| report.liar_faults.contains_key(name)),
    };
    let names = found_out(lie);
    let [few, around] = &reports;
    assert!(
        names.is_empty() || names.iter().any(was_found),
        "{}: expected one of {names:?} in\n{few}\n{around}",
        lie.name()
    );
}

#[test]
fn withheld_blocks_stop_nobody() {
    lie_everywhere(Lie::Withhold);
}

#[test]
fn headers_without_work_are_found_out() {
    lie_everywhere(Lie::BadWork);
}

#[test]
fn headers_with_easy_bits_are_found_out() {
    lie_everywhere(Lie::BadBits);
}

#[test]
fn a_claim_of_enormous_work_is_not_believed() {
    lie_everywhere(Lie::FakeTip);
}

#[test]
fn headers_without_end_stop_nobody() {
    lie_everywhere(Lie::EndlessHeaders);
}

#[test]
fn a_chain_of_little_work_is_not_followed() {
    lie_everywhere(Lie::LowWork);
}

#[test]
fn wrong_bodies_are_found_out() {
    lie_everywhere(Lie::WrongBodies);
}

#[test]
fn blocks_that_are_invalid_at_their_end_are_refused() {
    lie_everywhere(Lie::InvalidLate);
}

#[test]
fn whoever_stalls_is_left() {
    lie_everywhere(Lie::Stall);
}

#[test]
fn answers_that_nobody_asked_for_do_no_harm() {
    lie_everywhere(Lie::Unrequested);
}

#[test]
fn announcements_again_and_again_do_no_harm() {
    lie_everywhere(Lie::Duplicates);
}

#[test]
fn garbage_in_place_of_blocks_stops_nobody() {
    lie_everywhere(Lie::Garbage);
}

#[test]
fn silence_keeps_no_block_out() {
    lie_everywhere(Lie::Silent);
    for seed in 17..23 {
        let liars = vec![Lie::Silent; 6];
        let report = pass(&Scenario { liars, blocks: 100, minutes: 60, ..Scenario::calm(seed, 12) });
        assert!(report.spread().1 < 15_000, "{report}");
    }
}

#[test]
fn a_hundred_nodes_with_all_troubles_and_all_liars() {
    let scenario = Scenario {
        troubles: Trouble::ALL.to_vec(),
        liars: Lie::ALL.to_vec(),
        blocks: 300,
        fresh: 2,
        minutes: 30,
        ..Scenario::calm(7, 100)
    };
    let report = pass(&scenario);
    assert!(report.crashes > 0 && report.partitions > 0 && report.bans > 0, "{report}");
}

/// Seeds that have failed, with what they found.
#[test]
fn seeds_that_failed_once() {
    let all = |seed| Scenario {
        // Those that there were when they failed: others make another run.
        troubles: vec![Trouble::Breaks, Trouble::Partitions, Trouble::Crashes, Trouble::Skew],
        liars: Lie::ALL[..12].to_vec(),
        fresh: 1,
        minutes: 60,
        ..Scenario::calm(seed, 12)
    };
    // A block that an honest node passed on, and gave whole when asked, before it knew that it was invalid.
    pass(&all(6));
    pass(&all(8));
    // A header whose block nobody gave kept the other block of its height from being passed on.
    pass(&Scenario { liars: vec![Lie::Withhold; 2], minutes: 20, ..Scenario::calm(1, 8) });
    // A block that was known to be invalid came from an honest node that did not know it yet.
    pass(&Scenario { liars: vec![Lie::InvalidLate; 2], minutes: 20, ..Scenario::calm(1, 8) });
}
