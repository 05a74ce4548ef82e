use noroshi_model::Statistic;

use super::*;

fn settings(more: impl FnOnce(&mut WindowSettings)) -> WindowSettings {
    let mut settings = WindowSettings {
        csv: CsvSettings::default(),
        group: None,
        time: None,
        length: 4,
        hop: 2,
        parts: vec![FeaturePart::Statistics(vec![
            Statistic::Mean,
            Statistic::Greatest,
        ])],
    };
    more(&mut settings);
    settings
}

fn read(text: &str, settings: &WindowSettings) -> Result<ReadWindows> {
    read_windows([text.as_bytes(), text.as_bytes()], settings)
}

/// Rows "time,x,person,class" of recordings of so many samples.
fn text(recordings: &[(&str, &str, usize)]) -> String {
    let mut text = "time,x,person,class\n".to_owned();
    let mut time = 0;
    for (person, class, count) in recordings {
        for place in 0..*count {
            time += 1;
            text += &format!("{time},{}.5,{person},{class}\n", place * 3);
        }
    }
    text
}

#[test]
fn no_window_goes_across_a_recordings_end() {
    let named = settings(|one| {
        one.group = Some("person".into());
        one.time = Some("time".into());
    });
    let content = text(&[
        ("a", "up", 9),
        ("b", "up", 5),
        ("b", "down", 4),
        ("a", "down", 3),
    ]);
    let made = read(&content, &named).unwrap();
    assert_eq!(made.table.labels(), [1, 1, 1, 1, 0]);
    assert_eq!(made.groups, [0, 0, 0, 1, 1]);
    assert_eq!((made.recordings, made.windows, made.samples), (4, 5, 21));
    assert_eq!(
        (&made.channels[..], &made.group_names[..]),
        (&["x".to_owned()][..], &["a".to_owned(), "b".into()][..])
    );
    let unnamed = settings(|one| one.time = Some("time".into()));
    let content = content
        .replace("person", "y")
        .replace(",a,", ",1,")
        .replace(",b,", ",2,");
    let made = read(&content, &unnamed).unwrap();
    assert_eq!(made.groups, [0, 0, 0, 0, 0, 0, 1, 1]);
    assert_eq!(made.channels, ["x", "y"]);
}

#[test]
fn time_that_leaps_ends_a_recording() {
    let timed = settings(|one| one.time = Some("0".into()));
    let rows = |times: &[f32]| -> String {
        let row = |time: &f32| format!("{time},7,{}\n", u8::from(*time > 100.0));
        times.iter().map(row).collect()
    };
    let even: Vec<f32> = (0..8).map(|time| time as f32).collect();
    let late: Vec<f32> = (0..8).map(|time| 200.0 + time as f32).collect();
    let made = read(&rows(&[even.clone(), late.clone()].concat()), &timed).unwrap();
    assert_eq!((made.recordings, made.windows), (2, 6));
    let mut gap = even;
    gap[4..].iter_mut().for_each(|time| *time += 20.0);
    let made = read(&rows(&[gap, late].concat()), &timed).unwrap();
    assert_eq!((made.recordings, made.windows), (3, 5));
}

#[test]
fn what_makes_no_windows_is_refused() {
    let grouped = settings(|one| one.group = Some("person".into()));
    let refused =
        |content: &str, settings: &WindowSettings| read(content, settings).unwrap_err().to_string();
    let short = text(&[("a", "up", 3), ("b", "down", 3)]);
    assert!(refused(&short, &grouped).contains("make 0 windows of 4 samples"));
    assert!(refused(&short, &settings(|_| ())).contains("--group"));
    assert!(refused("", &grouped).contains("empty"));
    let twice = settings(|one| one.group = Some("class".into()));
    assert!(refused(&short, &twice).contains("columns of their own"));
    let unknown = settings(|one| one.time = Some("when".into()));
    assert!(refused(&short, &unknown).contains("no column when"));
    let one_class = text(&[("a", "up", 30)]);
    assert!(refused(&one_class, &grouped).contains("same class"));
    let missing = text(&[("a", "up", 9), ("b", "down", 9)]) + "19,,b,down\n";
    assert!(refused(&missing, &grouped).contains("line 20, field 1: a value is missing"));
    let dropping = settings(|one| {
        one.group = Some("person".into());
        one.csv.drop_missing = true;
    });
    let made = read(&(missing + "20,1,b,down\n"), &dropping).unwrap();
    assert_eq!((made.dropped, made.recordings), (1, 3));
    let infinite = text(&[("a", "up", 9)]) + "1,inf,a,up\n";
    assert!(refused(&infinite, &grouped).contains("is infinite"));
}

#[test]
fn units_leave_room_and_whole_numbers_stay() {
    assert_eq!(unit(32_000.0, true), 1.0);
    assert_eq!(unit(70_000.0, true), 4.0);
    let unit = unit(8.0, false);
    assert!(8.0 / unit < 32_767.0 && 8.0 / unit > 10_000.0, "{unit}");
}
