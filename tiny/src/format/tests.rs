use proptest::prelude::*;

use super::*;
use crate::bonsai::BonsaiSettings;
use crate::boosted::FloatTree;
use crate::fastfood::CompactSettings;
use crate::forest::shape::Branch;
use crate::forest::{ForestSettings, Votes};
use crate::linear::LinearSettings;
use crate::protonn::ProtoNnSettings;
use crate::svm::SvmSettings;
use crate::testing;

/// Two trees, which do not add to the outputs in turn.
fn boosted() -> Boosted {
    let split = |column, left, right| Branch::Split {
        column,
        threshold: 100,
        left,
        right,
    };
    let leaves = [-1.5, 0.25, 3.0].map(Branch::Leaf);
    let tree = |output| FloatTree {
        output,
        branches: [vec![split(2, 2, 1), split(5, 3, 4)], leaves.to_vec()].concat(),
    };
    Boosted::new(vec![0.5, 0.0, -2.0, 1.0], vec![tree(3), tree(1)]).unwrap()
}

fn models() -> Vec<Model> {
    let table = testing::blobs(120, 4, 6, 1);
    let protonn = ProtoNnSettings {
        epochs: 3,
        entries: 2,
        ..ProtoNnSettings::new(3, 8, 1)
    };
    let protonn = protonn.train(&table).unwrap();
    let bonsai = BonsaiSettings {
        epochs: 3,
        ..BonsaiSettings::new(3, 1, 9, 1)
    };
    let bonsai = bonsai.train(&table).unwrap();
    let hard = ForestSettings {
        votes: Votes::Hard,
        ..ForestSettings::forest(3, 8, 1)
    };
    let few = LinearSettings {
        columns: 4,
        ..LinearSettings::new(1e-3)
    };
    let fastfood = CompactSettings {
        pairs: 5,
        width: 0.7,
        lambda: 1e-3,
        rounds: 5,
        seed: 3,
    };
    let svm = SvmSettings {
        width: 0.5,
        cost: 3.0,
    };
    let families = [
        Family::Forest(hard.train(&table).unwrap()),
        Family::Forest(ForestSettings::forest(3, 300, 1).train(&table).unwrap()),
        Family::ProtoNnFloat(protonn.float),
        Family::ProtoNn(protonn.integer),
        Family::BonsaiFloat(bonsai.float),
        Family::Bonsai(bonsai.integer),
        Family::Boosted(boosted()),
        Family::Linear(LinearSettings::new(1e-3).train(&table).unwrap()),
        Family::Linear(few.train(&table).unwrap()),
        Family::Fastfood(fastfood.train(&table).unwrap()),
        Family::Svm(svm.train(&table).unwrap()),
    ];
    let scaled = Intake::Scaled(
        (0..6u8)
            .map(|low| Scale::over([0.0, f32::from(low)]))
            .collect(),
    );
    families
        .into_iter()
        .flat_map(|family| [Intake::Bytes, scaled.clone()].map(|intake| (intake, family.clone())))
        .map(|(intake, family)| Model {
            intake,
            columns: 6,
            classes: 4,
            family,
        })
        .collect()
}

#[test]
fn what_is_written_is_read() {
    for model in models() {
        let bytes = model.to_bytes();
        assert_eq!(Model::from_bytes(&bytes).unwrap(), model);
    }
}

#[test]
fn a_flipped_bit_a_cut_and_another_version_are_refused() {
    let bytes = models()[6].to_bytes();
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 4;
        assert!(Model::from_bytes(&changed).is_err(), "{place}");
        assert!(Model::from_bytes(&bytes[..place]).is_err(), "{place}");
    }
    let mut newer = bytes;
    newer[3] = 9;
    let error = Model::from_bytes(&newer).unwrap_err().to_string();
    assert!(error.contains("version 9"), "{error}");
}

/// Whatever is read answers every row without harm.
fn answer_if_read(mut bytes: Vec<u8>) {
    let length = bytes.len() - CHECKSUM_BYTES;
    let checksum = crc32(&bytes[..length]);
    bytes[length..].copy_from_slice(&checksum.to_le_bytes());
    if let Ok(model) = Model::from_bytes(&bytes) {
        for fill in [0u8, 1, 128, 255] {
            let row = vec![fill; usize::from(model.columns)];
            model.answer(&row).unwrap();
            model.explain(&row).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(
        changes in proptest::collection::vec((0usize..10_000, any::<u8>()), 1..6),
    ) {
        static MODELS: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
        let made = || models().iter().map(Model::to_bytes).collect();
        for mut bytes in MODELS.get_or_init(made).clone() {
            for &(place, value) in &changes {
                // Half of the changes hit the front, where lengths are.
                let reach = if place % 2 == 0 { 40 } else { bytes.len() };
                let place = 4 + place / 2 % (reach.min(bytes.len()) - 4);
                bytes[place] = value;
            }
            answer_if_read(bytes);
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Model::from_bytes(&bytes);
        let framed = [b"NTM\x01", bytes.as_slice(), &[0; 4]].concat();
        answer_if_read(framed);
    }
}
