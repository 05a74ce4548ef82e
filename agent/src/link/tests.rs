use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use proptest::prelude::*;

use super::*;
use crate::AgentError;

#[tokio::test(flavor = "current_thread")]
async fn messages_and_descriptors_cross() {
    let (mut agent, theirs) = pair().unwrap();
    let child = std::thread::spawn(move || {
        let mut link = ChildLink::new(UnixStream::from(theirs));
        let greeting: String = link.receive().unwrap();
        let mut file = std::fs::File::from(link.take_descriptor().unwrap());
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert!(link.take_descriptor().is_err());
        link.send(&vec![7u8; 200_000]).unwrap();
        link.send(&format!("{greeting} {text}")).unwrap();
    });
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"file").unwrap();
    file.rewind().unwrap();
    agent.send(&"hello", &[file.as_fd()]).await.unwrap();
    assert_eq!(agent.receive::<Vec<u8>>().await.unwrap().len(), 200_000);
    assert_eq!(agent.receive::<String>().await.unwrap(), "hello file");
    child.join().unwrap();
    assert!(matches!(
        agent.receive::<String>().await,
        Err(AgentError::LinkClosed)
    ));
}

#[test]
fn silence_ends_the_wait() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut link = ChildLink::new(ours);
    let none: Option<u8> = link
        .receive_within(Some(std::time::Duration::ZERO))
        .unwrap();
    assert_eq!(none, None);
    drop(theirs);
    assert!(matches!(link.receive::<u8>(), Err(AgentError::LinkClosed)));
}

#[test]
fn an_oversize_length_is_refused_before_it_is_believed() {
    let mut incoming = Incoming::default();
    incoming.push(&u32::MAX.to_be_bytes(), Vec::new()).unwrap();
    assert!(incoming.take::<u8>().is_err());
    assert!(encode(&vec![1u8; MAX_MESSAGE + 1]).is_err());
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut incoming = Incoming::default();
        incoming.push(&bytes, Vec::new()).unwrap();
        while let Ok(Some(_)) = incoming.take::<std::collections::BTreeMap<String, u64>>() {}
    }

    #[test]
    fn any_cut_is_put_together(text in ".{0,40}", cut in 1usize..20) {
        let bytes = encode(&text).unwrap();
        let mut incoming = Incoming::default();
        let mut got = None;
        for piece in bytes.chunks(cut) {
            prop_assert_eq!(got, None);
            incoming.push(piece, Vec::new()).unwrap();
            got = incoming.take::<String>().unwrap();
        }
        prop_assert_eq!(got, Some(text));
    }
}
