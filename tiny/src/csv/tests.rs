use proptest::prelude::*;

use super::*;

fn text(text: &str) -> Result<Read> {
    read(text.as_bytes(), &CsvSettings::default())
}

fn refused(content: &str) -> String {
    text(content).unwrap_err().to_string()
}

#[test]
fn bytes_stay_bytes_and_classes_are_in_order() {
    let read = text("x,y,class\n1,2,10\n3,4,9\n\"5\", 6,10\r\n").unwrap();
    assert_eq!(read.classes, ["9", "10"]);
    assert_eq!(read.columns, ["x", "y"]);
    assert_eq!(read.table.values(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(read.table.labels(), [1, 0, 1]);
    assert_eq!(read.intake, Intake::Bytes);
}

#[test]
fn numbers_become_steps_of_their_range() {
    let read = text("-1.0,7,b\n1.0,7,a\n0.0,7,b\n").unwrap();
    assert_eq!(read.table.values(), [0, 0, 255, 0, 127, 0]);
    assert_eq!(read.constant, ["column 1"]);
    assert_eq!(read.intake.bytes(&[0.0, 9.0]).unwrap(), [127, 0]);
}

#[test]
fn what_cannot_be_learned_from_is_refused_with_its_place() {
    assert!(refused("").contains("empty"));
    assert!(refused("a\n1\n").contains("one field"));
    assert!(refused("x,c\n1,a\n").contains("two rows"));
    assert!(refused("x,c\n").contains("two rows"));
    assert!(refused("x,c\n1,a\n2,a\n").contains("same class"));
    assert!(refused("x,c\n1,a\n,b\n").contains("line 3, field 0: a value is missing"));
    assert!(refused("x,c\n1,a\n2,\n").contains("line 3, field 1: a value is missing"));
    assert!(refused("x,c\n1,a\ninf,b\n").contains("line 3, field 0: inf is infinite"));
    assert!(refused("x,c\n1,a\n1e99,b\n").contains("infinite"));
    assert!(refused("x,c\n1,a\nred,b\n").contains("line 3, field 0: \"red\" is no number"));
    assert!(refused("x,c\n1,a\n1,2,b\n").contains("line 3 has 3 fields, the first has 2"));
    let many: Vec<String> = (0..300).map(|class| format!("1,{class}\n")).collect();
    let many = many.concat();
    assert!(refused(&many).contains("256 classes"));
}

#[test]
fn rows_with_missing_values_are_left_out_if_asked_for() {
    let settings = CsvSettings {
        drop_missing: true,
        label: Some("c".into()),
        ..CsvSettings::default()
    };
    let read = read("c,x\na,1\nb,?\nb,2\n,3\n".as_bytes(), &settings).unwrap();
    assert_eq!((read.rows, read.dropped), (2, 2));
}

#[test]
fn of_many_rows_a_fair_sample_is_kept() {
    let settings = CsvSettings {
        rows: 1000,
        ..CsvSettings::default()
    };
    let content: Vec<String> = (0..20_000)
        .map(|row| format!("{},{}\n", row % 200, row % 2))
        .collect();
    let content = content.concat();
    let read = read(content.as_bytes(), &settings).unwrap();
    assert_eq!((read.table.len(), read.rows), (1000, 20_000));
    let sum: u32 = read
        .table
        .values()
        .iter()
        .map(|&value| u32::from(value))
        .sum();
    assert!((90_000..110_000).contains(&sum), "{sum}");
}

proptest! {
    #[test]
    fn no_bytes_do_harm(content in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(content.as_slice(), &CsvSettings::default());
    }

    #[test]
    fn no_fields_do_harm(content in "([0-9a?.,\n-]{0,9},[0-9ab\n]{0,3}\n){0,20}") {
        let _ = text(&content);
    }
}
