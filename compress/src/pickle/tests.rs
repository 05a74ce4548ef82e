use super::*;

/// A pickle of the old format around `object`, with one storage "0" of `values`.
fn legacy_file(object: &[u8], values: &[f32]) -> Vec<u8> {
    let mut file = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    file.extend(b"\x80\x02M\xe9\x03.");
    file.extend(b"\x80\x02}.");
    file.extend(object);
    file.extend(b"\x80\x02]X\x01\x00\x00\x000a.");
    file.extend((values.len() as i64).to_le_bytes());
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    file
}

/// A state dict of one tensor "w" of `sizes` and `strides` over storage "0" of six elements.
fn object(offset: u8, sizes: [u8; 2], strides: [u8; 2]) -> Vec<u8> {
    let mut pickle = b"\x80\x02ccollections\nOrderedDict\n)R(X\x01\x00\x00\x00w".to_vec();
    pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage");
    pickle.extend(b"ctorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06NtQ");
    pickle.extend([b'K', offset, b'K', sizes[0], b'K', sizes[1], 0x86]);
    pickle.extend([b'K', strides[0], b'K', strides[1], 0x86, 0x89]);
    pickle.extend(b"ccollections\nOrderedDict\n)RtRu.");
    pickle
}

const VALUES: [f32; 6] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];

#[test]
fn the_old_format_gives_its_tensors() {
    let file = legacy_file(&object(0, [2, 3], [3, 1]), &VALUES);
    let state = StateDict::from_bytes(file).unwrap();
    assert_eq!(state.names(), ["w"]);
    assert_eq!(
        state.array("w").unwrap(),
        Array {
            shape: vec![2, 3],
            values: VALUES.to_vec()
        }
    );
    assert!(matches!(state.array("v"), Err(Error::Weights(_))));
}

#[test]
fn views_follow_their_strides() {
    let file = legacy_file(&object(0, [3, 2], [1, 3]), &VALUES);
    let array = StateDict::from_bytes(file).unwrap().array("w").unwrap();
    assert_eq!(array.values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
}

#[test]
fn views_beyond_their_storage_are_refused() {
    for (offset, sizes, strides) in [
        (1, [2, 3], [3, 1]),
        (0, [2, 4], [3, 1]),
        (0, [255, 255], [0, 0]),
        (0, [2, 2], [5, 1]),
    ] {
        let file = legacy_file(&object(offset, sizes, strides), &VALUES);
        assert!(matches!(
            StateDict::from_bytes(file),
            Err(Error::StateDict(_))
        ));
    }
}

#[test]
fn names_that_could_run_something_are_refused() {
    let file = legacy_file(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", &VALUES);
    let error = StateDict::from_bytes(file).unwrap_err().to_string();
    assert!(error.contains("os.system"), "{error}");
}

#[test]
fn truncated_and_garbled_files_are_refused() {
    let file = legacy_file(&object(0, [2, 3], [3, 1]), &VALUES);
    for length in 0..file.len() {
        assert!(
            StateDict::from_bytes(file[..length].to_vec()).is_err(),
            "{length}"
        );
    }
    let mut seed = 7u64;
    for _ in 0..2000 {
        let mut mutated = file.clone();
        for _ in 0..3 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let place = (seed >> 33) as usize % mutated.len();
            mutated[place] = (seed >> 20) as u8;
        }
        if let Ok(state) = StateDict::from_bytes(mutated) {
            for name in state.names() {
                let _ = state.array(name);
            }
        }
    }
}

#[test]
fn the_zip_format_gives_its_tensors() {
    let values: Vec<u8> = VALUES
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let file = stored_zip(&[
        ("net/data.pkl", &object(0, [2, 3], [3, 1])),
        ("net/byteorder", b"little"),
        ("net/data/0", &values),
    ]);
    let state = StateDict::from_bytes(file.clone()).unwrap();
    assert_eq!(state.array("w").unwrap().values, VALUES);
    for length in 0..file.len() {
        assert!(
            StateDict::from_bytes(file[..length].to_vec()).is_err(),
            "{length}"
        );
    }
}

fn stored_zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut body, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let start = body.len() as u32;
        let (length, name_length) = (content.len() as u32, name.len() as u16);
        let mut sizes = [0; 4].to_vec();
        sizes.extend(length.to_le_bytes());
        sizes.extend(length.to_le_bytes());
        sizes.extend(name_length.to_le_bytes());
        sizes.extend([0; 2]);
        body.extend(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0");
        body.extend(&sizes);
        body.extend(name.as_bytes());
        body.extend(*content);
        directory.extend(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0");
        directory.extend(&sizes);
        directory.extend([0; 10]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, length, count) = (
        body.len() as u32,
        directory.len() as u32,
        files.len() as u16,
    );
    body.extend(directory);
    body.extend(b"PK\x05\x06\0\0\0\0");
    body.extend(count.to_le_bytes());
    body.extend(count.to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend(start.to_le_bytes());
    body.extend([0; 2]);
    body
}
