//! Silence, nonsense and anything at all.

use proptest::prelude::*;

use super::*;

#[test]
fn half_open_and_silent_connections_end() {
    let mut scene = Scene::new();
    scene.ask(&scene.miner.subscribe_request());
    scene.after(14).tick();
    assert_eq!(scene.farewell(), None);
    scene.after(1).tick();
    assert_eq!(scene.farewell(), Some(Farewell::Handshake));
    scene.session.line("{}", scene.now);
    assert!(scene.session.poll().is_none(), "closed is closed");

    let mut scene = Scene::working();
    for _ in 0..14 {
        scene.after(60).tick();
    }
    assert_eq!(scene.farewell(), None);
    assert_eq!(scene.ask(&json!({"id": 1, "method": "mining.ping"})), "pong");
    scene.after(15 * 60 - 1).tick();
    assert_eq!(scene.farewell(), None);
    scene.after(1).tick();
    assert_eq!(scene.farewell(), Some(Farewell::Idle));

    // Who is to find a share in ten minutes finds none in fifteen often enough.
    let mut scene = Scene::with(|settings| settings.share_interval = Duration::from_secs(600));
    scene.log_in();
    scene.after(24 * 600 - 1).tick();
    assert_eq!(scene.farewell(), None);
    scene.after(1).tick();
    assert_eq!(scene.farewell(), Some(Farewell::Idle));
}

#[test]
fn nonsense_is_answered_and_ends_the_connection_in_the_end() {
    let mut scene = Scene::new();
    for _ in 0..STRIKES_MAX / 10 - 1 {
        assert_eq!(code(&scene.send("GET / HTTP/1.1").unwrap()), 20);
    }
    assert_eq!(scene.farewell(), None);
    scene.send("GET / HTTP/1.1");
    assert_eq!(scene.farewell(), Some(Farewell::Strikes));

    let mut scene = Scene::working();
    for round in 0..3 {
        for _ in 0..STRIKES_MAX - 1 {
            assert_eq!(code(&scene.submit_params(&json!([]))), 20);
        }
        assert_eq!(scene.farewell(), None, "round {round}");
        let share = scene.miner.mine(ShareRule::CPUMINER_OPT);
        let request = scene.miner.submit_request(&share);
        assert_eq!(scene.ask(&request), true);
    }
}

#[test]
fn other_methods_are_answered() {
    let mut scene = Scene::working();
    let mut ask = |method: &str| scene.ask(&json!({"id": "a", "method": method, "params": []}));
    assert_eq!(ask("mining.extranonce.subscribe"), true);
    assert_eq!(code(&ask("mining.get_transactions")), 20);
    assert_eq!(code(&ask("mining.capabilities")), -3);
    let answer = scene.send(r#"{"id":null,"result":true,"error":null}"#);
    assert_eq!((answer, scene.sent.len()), (None, 0));
}

/// A line as a fuzzing miner writes it: the shapes of real ones with anything in their places.
fn any_line() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9a-f]{0,20}".prop_map(Value::from),
        "[0-9a-f]{8}".prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(Value::from("0000000000000000")),
        Just(Value::from("1")),
        Just(Value::from(user())),
        Just(Value::from("x,d=1e-9")),
        Just(json!(["version-rolling", "minimum-difficulty", "info"])),
        Just(json!({"version-rolling.mask": "1fffe000", "minimum-difficulty.value": 1e-9})),
    ];
    let method = prop_oneof![
        Just("mining.subscribe"),
        Just("mining.authorize"),
        Just("mining.submit"),
        Just("mining.configure"),
        Just("mining.suggest_difficulty"),
        Just("mining.suggest_target"),
        Just("mining.ping"),
        Just("nothing"),
    ];
    let request = (value.clone(), method, proptest::collection::vec(value, 0..7))
        .prop_map(|(id, method, params)| json!({"id": id, "method": method, "params": params}).to_string());
    let submit = (0..20u32, any::<u32>(), any::<u16>()).prop_map(|(job, nonce, time)| {
        let time = ChainSpec::dev().genesis().header.time.0 + u32::from(time) % 400;
        json!({"id": 4, "method": "mining.submit", "params":
            [user(), format!("{job:x}"), "0000000000000000", format!("{time:08x}"), format!("{nonce:08x}")]})
        .to_string()
    });
    let cut = (request.clone(), any::<prop::sample::Index>(), any::<char>()).prop_map(|(line, at, with)| {
        let place = at.index(line.len());
        line.char_indices().map(|(here, old)| if here == place { with } else { old }).collect()
    });
    prop_oneof![2 => request, 2 => submit, 1 => cut, 1 => ".{0,200}"]
}

#[derive(Clone, Debug)]
enum Step {
    Line(String),
    Work(u8),
    Time(u16),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any_line().prop_map(Step::Line),
        1 => (0..3u8).prop_map(Step::Work),
        1 => (0..400u16).prop_map(Step::Time),
    ]
}

proptest! {
    /// Whatever is sent: no panic, one answer with the right id to each request, memory within bounds, nothing after the end.
    #[test]
    fn any_conversation_is_answered_or_ended(steps in proptest::collection::vec(any_step(), 0..60), logged_in: bool) {
        let mut scene = Scene::with(|settings| settings.difficulty_start = settings.difficulty_min);
        if logged_in {
            scene.log_in();
        }
        let works = [work(0), work(1), work(2)];
        let mut is_closed = false;
        for step in steps {
            match &step {
                Step::Line(line) => scene.session.line(line, scene.now),
                Step::Work(number) => scene.session.work(Arc::clone(&works[usize::from(*number)])),
                Step::Time(seconds) => {
                    scene.now.elapsed += Duration::from_secs((*seconds).into());
                    scene.session.tick(scene.now);
                }
            }
            let mut answers = Vec::new();
            while let Some(output) = scene.session.poll() {
                prop_assert!(!is_closed, "{output:?}");
                match output {
                    Output::Line(line) => {
                        if let Received::Answer(id, ..) = scene.miner.receive(&line) {
                            answers.push(id);
                        }
                    }
                    Output::Close(_) => is_closed = true,
                    Output::Found(found) => {
                        found.work.template().checked_block(&found.solution, &ChainSpec::dev()).unwrap();
                    }
                    _ => {}
                }
            }
            if let Step::Line(line) = &step && !is_closed {
                let id = serde_json::from_str::<Value>(line).ok().map(|value| value["id"].clone());
                let is_answer = matches!(Incoming::read(line), Ok(Incoming::Answer));
                prop_assert_eq!(answers.len(), usize::from(!is_answer));
                if let (Some(id), [answer]) = (id, &answers[..]) && !id.is_array() && !id.is_object() && !id.is_f64() {
                    prop_assert_eq!(&id, answer);
                }
            }
            prop_assert!(scene.session.jobs.len() <= JOBS_MAX);
            prop_assert!(scene.session.users.len() <= WORKERS_MAX);
            prop_assert!(is_closed || scene.session.deadline() > Duration::ZERO);
            if is_closed {
                break;
            }
        }
    }
}
