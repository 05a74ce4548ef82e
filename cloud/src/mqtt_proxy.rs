//! `/mqtt`: MQTT over WebSocket on the console's origin, passed on to the broker's loopback port.
//!
//! Only bytes are moved here; the broker itself checks the token and every filter.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use noroshi_protocol::limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PIECE: usize = 16 << 10;
/// A session without a byte in either direction for so long is over; MQTT pings are more often.
const SILENCE: Duration = Duration::from_mins(5);

/// The route, in front of the broker at `broker`.
pub(crate) fn router(broker: SocketAddr) -> Router {
    Router::new()
        .route("/mqtt", get(upgrade))
        .with_state(broker)
}

async fn upgrade(
    State(broker): State<SocketAddr>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    // A page of another origin may not use the broker from its visitors' browsers.
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(origin) = text("origin")
        && origin.split_once("://").map(|(_, host)| host) != text("host")
    {
        return (
            StatusCode::FORBIDDEN,
            "/mqtt is for the console's own origin",
        )
            .into_response();
    }
    upgrade
        .protocols(["mqtt"])
        .max_message_size(limits::PACKET)
        .max_frame_size(limits::PACKET)
        .on_upgrade(move |socket| async move {
            if let Err(error) = tunnel(socket, broker).await {
                tracing::debug!(%error, "a dashboard's connection ended");
            }
        })
}

async fn tunnel(mut socket: WebSocket, broker: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(broker).await?;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.split();
    let mut piece = vec![0; PIECE];
    loop {
        tokio::select! {
            () = tokio::time::sleep(SILENCE) => return Ok(()),
            message = socket.recv() => match message {
                Some(Ok(Message::Binary(bytes))) => writer.write_all(&bytes).await?,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                // MQTT is binary; anything else, an error or the end is the end.
                _ => return writer.shutdown().await,
            },
            count = reader.read(&mut piece) => match count? {
                0 => return Ok(()),
                count => {
                    let bytes = Bytes::copy_from_slice(&piece[..count]);
                    if socket.send(Message::Binary(bytes)).await.is_err() {
                        return Ok(());
                    }
                }
            },
        }
    }
}
