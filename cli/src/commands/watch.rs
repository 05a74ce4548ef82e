//! `noroshi watch`: live results over MQTT 5 on the console's address.

use std::sync::Arc;

use noroshi_protocol::{Kind, Topic, TopicFilter};
use noroshi_service::session::{
    self, Address, Connect, Credentials, SessionEvent, SessionOptions, Subscription,
};
use rustls_platform_verifier::ConfigVerifierExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::args::Watch;
use crate::error::{Failure, Tried};
use crate::output::{self, field};

pub(super) async fn run(api: &Api, watch: &Watch, as_json: bool) -> Result<(), Failure> {
    let wanted = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
    let grant = api
        .post(
            "/dashboard-tokens",
            &json!({ "sites": wanted(&watch.site), "devices": wanted(&watch.device) }),
        )
        .await?;
    let filter = filter(&grant, watch)?;
    let options = options(api, &grant, &filter)?;
    let stop = CancellationToken::new();
    let (_handle, mut events, driver) = session::open(options);
    let driving = driver.run(stop.clone());
    let reading = async {
        let mut seen = 0;
        while let Some(event) = events.recv().await {
            match event {
                SessionEvent::Message(message) => {
                    show(&message.topic, &message.payload, as_json)?;
                    seen += 1;
                    if watch.count.is_some_and(|count| seen >= count) {
                        return Ok(());
                    }
                }
                SessionEvent::Disconnected { reason, .. } => {
                    eprintln!("the link is down ({reason}); trying again");
                }
                SessionEvent::SubscriptionsDenied { .. } => {
                    return Err(Failure::Failed("the cloud denied the subscription".into()));
                }
                SessionEvent::Connected { .. } => {}
            }
        }
        Ok(())
    };
    let result = tokio::select! {
        result = reading => result,
        ended = driving => ended.tried("the session"),
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    stop.cancel();
    result
}

fn filter(grant: &Value, watch: &Watch) -> Result<TopicFilter, Failure> {
    let bad = |what: &str| Failure::Usage(format!("--{what} is not an id"));
    let org = field(grant, "org").parse().tried("the cloud's answer")?;
    let site = watch.site.as_ref().map(|site| site.parse());
    let device = watch.device.as_ref().map(|device| device.parse());
    Ok(TopicFilter {
        org,
        site: site.transpose().map_err(|_| bad("site"))?,
        device: device.transpose().map_err(|_| bad("device"))?,
        kind: Kind::Live,
        name: None,
    })
}

fn options(api: &Api, grant: &Value, filter: &TopicFilter) -> Result<SessionOptions, Failure> {
    let path = field(grant, "path");
    let address = match api.url().split_once("://") {
        Some(("http", rest)) => Address::WebSocket {
            url: format!("ws://{rest}{path}"),
        },
        Some(("https", rest)) => {
            let config = rustls::ClientConfig::with_platform_verifier()
                .tried("this machine's list of certificate authorities")?;
            Address::SecureWebSocket {
                url: format!("wss://{rest}{path}"),
                config: Arc::new(config),
            }
        }
        _ => return Err(Failure::Usage(format!("{} is no http address", api.url()))),
    };
    let (username, password) = (field(grant, "username"), field(grant, "token"));
    let client = format!("watch-{}-{}", std::process::id(), super::now_ms());
    let mut options = SessionOptions::new(client, move |_| {
        let credentials = Some(Credentials {
            username: username.clone(),
            password: password.clone(),
        });
        Ok(Connect {
            address: address.clone(),
            credentials,
            will: None,
        })
    });
    options.subscriptions = vec![Subscription::new(filter.to_string())];
    options.session_expiry = std::time::Duration::ZERO;
    Ok(options)
}

fn show(topic: &str, payload: &[u8], as_json: bool) -> Result<(), Failure> {
    let topic: Topic = topic.parse().tried("a topic")?;
    let live: Value = serde_json::from_slice(payload).tried("a live result")?;
    let (device, pipeline) = (topic.device.as_str(), topic.channel.name());
    if as_json {
        let mut line = json!({ "site": topic.site, "device": device, "pipeline": pipeline });
        if let (Value::Object(line), Value::Object(live)) = (&mut line, live) {
            line.extend(live);
        }
        return output::json(&line);
    }
    println!(
        "{:<34} {:<24} {:>5.1} %   {} v{}",
        format!("{device}/{pipeline}/{}", field(&live, "sequence")),
        field(&live, "label"),
        live["score"].as_f64().unwrap_or_default() * 100.0,
        field(&live, "model"),
        field(&live, "version"),
    );
    Ok(())
}
