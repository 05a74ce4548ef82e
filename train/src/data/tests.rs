use std::fs;

use noroshi_model::{ColorOrder, ElementType, Layout, Resize};

use super::*;

fn spec() -> InputSpec {
    InputSpec {
        name: "input".into(),
        height: 4,
        width: 4,
        dtype: ElementType::F32,
        layout: Layout::Nchw,
        color: ColorOrder::Gray,
        resize: Resize::Stretch,
        features: None,
        normalization: Normalization {
            scale: 1.0 / 255.0,
            ..Normalization::NONE
        },
    }
}

fn picture(path: &Path, level: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::GrayImage::from_pixel(8, 8, image::Luma([level]))
        .save(path)
        .unwrap();
}

#[test]
fn arrays_come_back_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    for numbers in [
        Numbers::F32(vec![1.5, -2.0, 0.0, 1e30, 4.0, 5.0]),
        Numbers::U8(vec![0, 1, 2, 253, 254, 255]),
        Numbers::I64(vec![-1, 0, 1, i64::MAX, 7, 8]),
    ] {
        let array = Array::new(vec![2, 3], numbers).unwrap();
        npy::write(&path, &array).unwrap();
        assert_eq!(npy::read(&path).unwrap(), array);
        assert_eq!(
            fs::read(&path).unwrap()[128 - 1],
            b'\n',
            "numbers are aligned"
        );
    }
}

#[test]
fn what_numpy_writes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let file = |version: u8, header: &str, bytes: &[u8]| {
        let mut file = b"\x93NUMPY".to_vec();
        file.extend([version, 0]);
        if version == 1 {
            file.extend((header.len() as u16).to_le_bytes());
        } else {
            file.extend((header.len() as u32).to_le_bytes());
        }
        file.extend(header.as_bytes());
        file.extend(bytes);
        fs::write(&path, file).unwrap();
        npy::read(&path)
    };
    let doubles: Vec<u8> = [0.5f64, -3.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n";
    for version in [1, 2, 3] {
        let array = file(version, header, &doubles).unwrap();
        assert_eq!(array.to_f32(), [0.5, -3.0]);
    }
    let header = "{'descr': '|b1', 'fortran_order': False, 'shape': (1, 2), }\n";
    assert_eq!(file(1, header, &[1, 0]).unwrap().shape(), [1, 2]);
    for (header, wanted) in [
        (
            "{'descr': '<f8', 'fortran_order': True, 'shape': (2,), }",
            "ascontiguousarray",
        ),
        (
            "{'descr': '>f8', 'fortran_order': False, 'shape': (2,), }",
            "astype",
        ),
        (
            "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,), }",
            "records",
        ),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }",
            "promises",
        ),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999, 9999999999), }",
            "beyond any memory",
        ),
        ("nonsense", "records"),
    ] {
        let error = file(1, header, &doubles).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    fs::write(&path, b"PK\x03\x04").unwrap();
    assert!(
        npy::read(&path)
            .unwrap_err()
            .to_string()
            .contains("numpy.save")
    );
}

#[test]
fn a_folder_for_each_class() {
    let folder = tempfile::tempdir().unwrap();
    for (place, name) in ["b/1.png", "b/0.png", "a/0.png"].iter().enumerate() {
        picture(&folder.path().join(name), place as u8 * 100);
    }
    fs::write(folder.path().join("b/notes.txt"), "not a picture").unwrap();
    let location = Location {
        samples: folder.path().into(),
        spec: Some(spec()),
        ..Location::default()
    };
    let data = Dataset::open(&location).unwrap();
    assert_eq!(data.sample_shape(), [1, 4, 4]);
    let Targets::Classes(classes) = data.targets() else {
        panic!("{:?}", data.targets());
    };
    assert_eq!(
        (classes.of.as_slice(), classes.names.len()),
        (&[0, 1, 1][..], 2)
    );
    let values = data.to_f32().unwrap();
    let levels = [200.0, 100.0, 0.0].map(|level: f32| level / 255.0);
    for (value, level) in values.iter().step_by(16).zip(levels) {
        assert!((value - level).abs() < 1e-3, "{value} {level}");
    }
    let names = Some(vec!["z".to_string(), "b".into(), "a".into()]);
    let named = Dataset::open(&Location {
        names,
        ..location.clone()
    })
    .unwrap();
    let Targets::Classes(classes) = named.targets() else {
        panic!();
    };
    assert_eq!(classes.of, [2, 1, 1]);
    let names = Some(vec!["b".to_string()]);
    assert!(Dataset::open(&Location { names, ..location }).is_err());
}

#[test]
fn folders_that_are_numbers_are_their_classes() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["10/x.png", "2/x.png"] {
        picture(&folder.path().join(name), 9);
    }
    let data = images::read(folder.path(), spec(), None).unwrap();
    let Targets::Classes(classes) = data.targets() else {
        panic!();
    };
    assert_eq!(classes.of, [10, 2]);
    assert_eq!(classes.names[10], "10");
}

fn table(text: &str, table: &csv::Table) -> Result<Dataset> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    fs::write(&path, text).unwrap();
    csv::read(&path, table)
}

#[test]
fn tables_name_their_columns_or_do_not() {
    let plain = csv::Table::default();
    let data = table("a,b,kind\n1,2,\"big, red\"\n3,4,small\n5,6,small\n", &plain).unwrap();
    assert_eq!(data.to_f32().unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let classes = Classes {
        of: vec![0, 1, 1],
        names: vec!["big, red".into(), "small".into()],
    };
    assert_eq!(*data.targets(), Targets::Classes(classes));
    let data = table("3;0.5;7\n2;1.5;9\r\n", &plain).unwrap();
    assert_eq!(data.sample_shape(), [2]);
    assert!(matches!(data.targets(), Targets::Classes(c) if c.of == [7, 9]));
    let first = csv::Table {
        target: Some("0".into()),
        kind: csv::TargetKind::Figures,
        ..plain.clone()
    };
    let data = table("3\t0.5\n2\t1.5\n", &first).unwrap();
    let Targets::Figures(figures) = data.targets() else {
        panic!();
    };
    assert_eq!(figures.to_f32(), [3.0, 2.0]);
}

#[test]
fn faults_of_tables_name_the_line() {
    let plain = csv::Table::default();
    for (text, wanted) in [
        ("", "empty"),
        ("1,2\n3\n", "line 2: 1 fields"),
        ("1,x\ny,2\n", "line 2: \"y\" in column 0 is no number"),
        ("1,\"2\n", "line 1: a quote is not closed"),
        ("a,b\n", "holds no numbers"),
        ("1,\"2\"3\n", "follows a closing quote"),
    ] {
        let error = table(text, &plain).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let absent = csv::Table {
        target: Some("c".into()),
        ..plain
    };
    assert!(
        table("a,b\n1,2\n", &absent)
            .unwrap_err()
            .to_string()
            .contains("no column")
    );
}

#[test]
fn targets_of_arrays_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, shape: &[usize], numbers: Numbers| {
        let array = Array::new(shape.to_vec(), numbers).unwrap();
        npy::write(&folder.path().join(name), &array).unwrap();
    };
    let location = Location {
        samples: folder.path().into(),
        ..Location::default()
    };
    write("x.npy", &[2, 2], Numbers::U8(vec![0, 51, 102, 255]));
    assert_eq!(*Dataset::open(&location).unwrap().targets(), Targets::None);
    write("y.npy", &[2], Numbers::I64(vec![3, 0]));
    let data = Dataset::open(&location).unwrap();
    assert!(matches!(data.targets(), Targets::Classes(c) if c.of == [3, 0] && c.names.len() == 4));
    assert_eq!(data.to_f32().unwrap(), [0.0, 0.2, 0.4, 1.0]);
    write("y.npy", &[2, 3], Numbers::U8(vec![0, 1, 1, 0, 0, 1]));
    let data = Dataset::open(&location).unwrap();
    assert!(matches!(data.targets(), Targets::Several(labels) if labels.width == 3));
    write("y.npy", &[2], Numbers::F32(vec![0.5, 2.0]));
    assert!(matches!(
        Dataset::open(&location).unwrap().targets(),
        Targets::Figures(_)
    ));
    write("y.npy", &[3], Numbers::I64(vec![0, 1, 2]));
    let error = Dataset::open(&location).unwrap_err().to_string();
    assert!(error.contains("2 samples and 3 targets"), "{error}");
    write("y.npy", &[2], Numbers::I64(vec![0, -1]));
    assert!(Dataset::open(&location).is_err());
}

#[test]
fn colors_are_scaled_channel_by_channel() {
    let how = Normalization {
        scale: 1.0,
        mean: [1.0, 2.0, 3.0],
        deviation: [1.0, 2.0, 4.0],
    };
    let mut planes = [1.0, 3.0, 4.0, 6.0, 7.0, 11.0];
    normalize(&mut planes, &[3, 1, 2], how);
    assert_eq!(planes, [0.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
    let mut pixels = [1.0, 4.0, 7.0, 3.0, 6.0, 11.0];
    normalize(&mut pixels, &[1, 2, 3], how);
    assert_eq!(pixels, [0.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
}
