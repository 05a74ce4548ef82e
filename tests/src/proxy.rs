//! A fault proxy: a link that can be cut, delayed and throttled, and that counts its bytes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A TCP link to `target` through a port of its own.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    link: Arc<Link>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Link {
    target: Mutex<SocketAddr>,
    cut: AtomicBool,
    delay_ms: AtomicU64,
    /// Bytes a second; 0 is no limit.
    rate: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
    connections: AtomicU64,
    /// Cancelled and replaced when the link is cut: ends every connection.
    epoch: Mutex<CancellationToken>,
    /// Where each connection's bytes are written, for [`tap`](crate::tap).
    record: Option<PathBuf>,
}

impl Proxy {
    /// A link to `target`. With `record`, each connection's bytes are kept there as
    /// `<n>.up` and `<n>.down`.
    pub async fn start(target: SocketAddr, record: Option<PathBuf>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let link = Arc::new(Link {
            target: Mutex::new(target),
            cut: AtomicBool::new(false),
            delay_ms: AtomicU64::new(0),
            rate: AtomicU64::new(0),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            epoch: Mutex::new(CancellationToken::new()),
            record,
        });
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "ends with the token in Drop")]
        tokio::spawn(accept(listener, Arc::clone(&link), stop.clone()));
        Ok(Self {
            address,
            link,
            stop,
        })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the link leads now.
    pub fn target(&self) -> SocketAddr {
        *self.link.target.lock().expect("no panic holds it")
    }

    /// The other side has a new address.
    pub fn retarget(&self, target: SocketAddr) {
        *self.link.target.lock().expect("no panic holds it") = target;
    }

    /// Ends every connection and takes no new one.
    pub fn cut(&self) {
        self.link.cut.store(true, Ordering::SeqCst);
        let mut epoch = self.link.epoch.lock().expect("no panic holds it");
        epoch.cancel();
        *epoch = CancellationToken::new();
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.link.cut.store(false, Ordering::SeqCst);
    }

    /// Every chunk waits this long.
    pub fn delay(&self, delay: Duration) {
        self.link
            .delay_ms
            .store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// At most this many bytes a second in each direction of each connection.
    pub fn throttle(&self, bytes_per_second: u64) {
        self.link.rate.store(bytes_per_second, Ordering::SeqCst);
    }

    /// Bytes from the client so far.
    pub fn bytes_up(&self) -> u64 {
        self.link.up.load(Ordering::SeqCst)
    }

    /// Bytes to the client so far.
    pub fn bytes_down(&self) -> u64 {
        self.link.down.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, link: Arc<Link>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            Ok((client, _)) = listener.accept() => {
                if !link.cut.load(Ordering::SeqCst) {
                    let link = Arc::clone(&link);
                    connections.spawn(async move {
                        // A broken connection is what this proxy is for.
                        let _ = carry(client, &link).await;
                    });
                }
            }
        }
    }
}

async fn carry(client: TcpStream, link: &Link) -> Result<()> {
    let number = link.connections.fetch_add(1, Ordering::SeqCst);
    let epoch = link.epoch.lock().expect("no panic holds it").clone();
    let target = *link.target.lock().expect("no panic holds it");
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let up = copy(
        client_read,
        server_write,
        link,
        &link.up,
        tape(link, number, "up").await?,
    );
    let down = copy(
        server_read,
        client_write,
        link,
        &link.down,
        tape(link, number, "down").await?,
    );
    tokio::select! {
        () = epoch.cancelled() => Ok(()),
        result = async { tokio::try_join!(up, down).map(|_| ()) } => result,
    }
}

async fn tape(link: &Link, number: u64, direction: &str) -> Result<Option<File>> {
    let Some(folder) = &link.record else {
        return Ok(None);
    };
    tokio::fs::create_dir_all(folder).await?;
    Ok(Some(
        File::create(folder.join(format!("{number}.{direction}"))).await?,
    ))
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    link: &Link,
    counter: &AtomicU64,
    mut tape: Option<File>,
) -> Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        let wait = Duration::from_millis(link.delay_ms.load(Ordering::SeqCst));
        let rate = link.rate.load(Ordering::SeqCst);
        let pace = (count as u64 * 1000)
            .checked_div(rate)
            .map_or(wait, |ms| wait + Duration::from_millis(ms));
        if !pace.is_zero() {
            tokio::time::sleep(pace).await;
        }
        counter.fetch_add(count as u64, Ordering::SeqCst);
        if let Some(tape) = &mut tape {
            tape.write_all(&buffer[..count]).await?;
            tape.flush().await?;
        }
        to.write_all(&buffer[..count]).await?;
    }
}
