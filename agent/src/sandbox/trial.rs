//! What a hostile model would try; `noroshi-agent try-sandbox` prints how each attempt ends.

use std::fs::File;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;

use serde::Serialize;

/// One attempt from inside the cage.
#[derive(Debug, Serialize)]
pub struct Attempt {
    /// What was tried.
    pub what: &'static str,
    /// Whether it was refused with EPERM.
    pub refused: bool,
    /// What the system said.
    pub said: String,
}

/// Tries everything that must be refused, and a few things that must work.
pub fn attempts() -> Vec<Attempt> {
    vec![
        attempt("open a file", || File::open("/etc/hostname")),
        attempt("create a file", || File::create("/tmp/noroshi-escape")),
        attempt("list a folder", || std::fs::read_dir("/")),
        attempt("remove a file", || {
            std::fs::remove_file("/tmp/noroshi-none")
        }),
        attempt("rename a file", || {
            std::fs::rename("/tmp/noroshi-none", "/tmp/noroshi-nowhere")
        }),
        attempt("look at a path", || std::fs::metadata("/etc")),
        attempt("connect by TCP", || TcpStream::connect("127.0.0.1:9")),
        attempt("listen", || TcpListener::bind("127.0.0.1:0")),
        attempt("open a UDP socket", || UdpSocket::bind("127.0.0.1:0")),
        attempt("connect by a Unix socket", || {
            UnixStream::connect("/run/systemd/notify")
        }),
        attempt("start a program", || Command::new("/bin/true").spawn()),
        attempt("signal the parent", || {
            let parent = rustix::process::getppid().unwrap_or(rustix::process::Pid::INIT);
            rustix::process::test_kill_process(parent).map_err(std::io::Error::from)
        }),
        attempt("make memory that can be passed on", || {
            rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC)
                .map_err(std::io::Error::from)
        }),
        attempt("start a thread", || {
            std::thread::Builder::new()
                .spawn(|| vec![1u8; 1 << 20].len())?
                .join()
                .map_err(|_| std::io::Error::other("the thread died"))
        }),
        attempt("allocate memory", || Ok(vec![1u8; 8 << 20])),
    ]
}

fn attempt<T>(what: &'static str, act: impl FnOnce() -> std::io::Result<T>) -> Attempt {
    match act() {
        Ok(_) => Attempt {
            what,
            refused: false,
            said: "it worked".into(),
        },
        Err(e) => Attempt {
            what,
            refused: e.raw_os_error() == Some(libc::EPERM),
            said: e.to_string(),
        },
    }
}
