use super::*;

#[test]
fn words_and_networks_are_inverses() {
    for network in Network::ALL {
        assert_eq!(network.word().parse::<Network>().unwrap(), network);
    }
    assert!("vgg11".parse::<Network>().is_err());
}

#[test]
fn channels_keep_to_multiples_of_eight() {
    assert_eq!(scaled(32, 1.0), 32);
    assert_eq!(
        scaled(24, 0.75),
        24,
        "18 would be 16, more than a tenth below 18"
    );
    assert_eq!(scaled(16, 0.35), 8);
    assert_eq!(scaled(1280, 1.4), 1792);
}
