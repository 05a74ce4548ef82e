use std::os::fd::AsFd;

use noroshi_protocol::FrameId;
use proptest::prelude::*;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags};

use super::layout::HEADER_WORDS;
use super::*;
use crate::AgentError;

fn header(number: u64, width: u32, height: u32) -> Header {
    Header {
        id: FrameId { source: 7, number },
        width,
        height,
        format: PixelFormat::Rgb8,
        boottime_ns: 42,
    }
}

fn ring() -> Writer {
    Writer::create(Geometry::new(4, 30_000).unwrap()).unwrap()
}

#[test]
fn a_frame_comes_out_as_it_went_in() {
    let mut writer = ring();
    let reader = Reader::open(writer.memory(), writer.geometry()).unwrap();
    let pixels: Vec<u8> = (0..7 * 5 * 3).map(|i| i as u8).collect();
    let generation = writer.write(3, &header(0, 7, 5), &pixels).unwrap();
    let frame = reader.read(3, generation).unwrap().unwrap();
    assert_eq!(frame.pixels, pixels);
    assert_eq!(frame.header, header(0, 7, 5));
    writer.write(3, &header(1, 7, 5), &pixels).unwrap();
    assert_eq!(reader.read(3, generation).unwrap(), None);
    assert!(reader.read(4, generation).is_err());
}

#[test]
fn a_sealed_ring_can_not_be_mapped_writable_or_resized() {
    let writer = ring();
    assert!(ftruncate(writer.memory(), 64).is_err());
    assert!(ftruncate(writer.memory(), 1 << 30).is_err());
    assert!(rustix::io::pwrite(writer.memory(), b"x", 0).is_err());
    assert!(writable_map_is_refused(writer.memory()));
    let read_only = reopen_read_only(writer.memory()).unwrap();
    check_seals(&read_only, &writer.geometry()).unwrap();
    assert!(writable_map_is_refused(read_only.as_fd()));
}

#[expect(unsafe_code, reason = "the refusal of a system call is what is tested")]
fn writable_map_is_refused(fd: std::os::fd::BorrowedFd<'_>) -> bool {
    // SAFETY: a fresh address is asked for; if it were granted nothing would use it.
    unsafe {
        rustix::mm::mmap(
            std::ptr::null_mut(),
            4096,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED,
            fd,
            0,
        )
    }
    .is_err()
}

#[test]
fn unsealed_or_missized_memory_is_refused() {
    let geometry = Geometry::new(2, 64).unwrap();
    let memory = memfd_create("t", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&memory, geometry.total_bytes() as u64).unwrap();
    assert!(matches!(
        check_seals(&memory, &geometry),
        Err(AgentError::Ring(_))
    ));
    let file = tempfile::tempfile().unwrap();
    assert!(check_seals(&file, &geometry).is_err());
    let writer = ring();
    assert!(check_seals(writer.memory(), &geometry).is_err());
    assert!(Geometry::new(1, 64).is_err());
    assert!(Geometry::new(4, u32::MAX).is_err());
}

/// A reader that races with a writer gets whole frames or none.
#[test]
fn a_race_never_tears_a_frame() {
    let mut writer = ring();
    let reader = Reader::open(writer.memory(), writer.geometry()).unwrap();
    let written = std::sync::atomic::AtomicU64::new(0);
    let rounds = 2_000u64;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..rounds {
                let pixels = vec![round as u8; 60 * 60 * 3];
                let generation = writer.write(0, &header(round, 60, 60), &pixels).unwrap();
                written.store(generation, std::sync::atomic::Ordering::Release);
            }
        });
        let mut last = 0;
        while last < rounds * 2 {
            let generation = written.load(std::sync::atomic::Ordering::Acquire);
            last = generation;
            if generation == 0 {
                continue;
            }
            if let Some(frame) = reader.read(0, generation).unwrap() {
                let want = frame.header.id.number as u8;
                assert!(frame.pixels.iter().all(|pixel| *pixel == want));
            }
        }
    });
}

proptest! {
    #[test]
    fn no_header_gets_past_its_slot(words in proptest::array::uniform7(any::<u64>())) {
        let geometry = Geometry::new(2, 3_000).unwrap();
        assert_eq!(HEADER_WORDS, 8);
        if let Ok(header) = Header::from_words(words, &geometry) {
            prop_assert!(header.length() <= 3_000);
        }
    }

    #[test]
    fn a_sound_header_is_read_back(width in 1u32..40, height in 1u32..25, number: u64) {
        let geometry = Geometry::new(2, 3_000).unwrap();
        let header = header(number, width, height);
        prop_assert_eq!(Header::from_words(header.to_words(), &geometry).unwrap(), header);
    }
}
