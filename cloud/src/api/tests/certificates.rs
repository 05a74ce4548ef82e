use noroshi_gateway::devices_http::certificate_serial;
use noroshi_protocol::{CertificateSerial, Identity, SiteDesired};

use super::*;

fn serial(answer: &EnrolAnswer) -> CertificateSerial {
    certificate_serial(&answer.chain[0]).unwrap()
}

impl World {
    async fn with_sites(names: &[&str]) -> Self {
        let world = Self::new().await;
        for name in names {
            let body = json!({"name": name, "id": name});
            let (status, made) = world.post("/api/v1/sites", body).await;
            assert_eq!(status, StatusCode::CREATED, "{made}");
        }
        world
    }

    async fn site_plan(&self, site: &str) -> SiteDesired {
        let bytes = self.cloud.document(&format!("{site}/gateway")).await;
        let envelope = Envelope::from_cbor(&bytes.unwrap()).unwrap();
        envelope
            .open(Domain::SitePlan, [self.cloud.online_key.public()])
            .unwrap()
    }

    async fn delete(&self, path: &str) {
        let (status, problem) = self.call(Method::DELETE, path, None).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{problem}");
    }
}

#[tokio::test]
async fn only_the_certificate_of_the_newest_enrolment_counts() {
    let world = World::with_sites(&["hall"]).await;
    let gateway = Identity::Gateway {
        org: world.cloud.org.clone(),
        site: "hall".parse().unwrap(),
    };
    let admits = async |answer: &EnrolAnswer| {
        let serial = serial(answer);
        world.cloud.admits(&gateway, &serial).await.unwrap()
    };
    let first = world.enrol_in("hall", "gateway", 1).await;
    assert!(admits(&first).await);
    world.delete("/api/v1/sites/hall/gateway").await;
    assert!(!admits(&first).await);

    let second = world.enrol_in("hall", "gateway", 2).await;
    assert!(admits(&second).await);
    assert!(!admits(&first).await, "revoked is revoked");
    // Replaced without having been revoked first.
    let third = world.enrol_in("hall", "gateway", 3).await;
    assert_eq!((first.enrolment, third.enrolment), (1, 3));
    assert!(!admits(&second).await && admits(&third).await);
    // One holder's certificate does not do for another.
    let device = world.enrol_in("direct", "device", 4).await;
    assert!(!admits(&device).await);
}

#[tokio::test]
async fn every_gateway_is_told_of_a_revoked_device_and_the_device_is_cut_off() {
    let world = World::with_sites(&["hall", "yard", "attic"]).await;
    let cuts = Arc::new(Outbound::default());
    world.cloud.connect(cuts.clone());
    for (at, site) in ["hall", "yard"].into_iter().enumerate() {
        world.enrol_in(site, "gateway", 1 + at as u8).await;
    }
    let answer = world.enrol_in("hall", "device", 9).await;
    let EnrolKind::Device(device) = answer.kind.clone() else {
        panic!("a gateway")
    };
    assert!(world.cloud.document("hall/gateway").await.is_err());
    world.delete(&format!("/api/v1/devices/{device}")).await;

    let (hall, yard) = (world.site_plan("hall").await, world.site_plan("yard").await);
    assert_eq!(hall.revoked.len(), 1);
    assert_eq!(hall.revoked[0].serial, serial(&answer));
    assert_eq!(hall.revoked[0].device, Some(device.clone()));
    assert_eq!(yard.revoked[0].serial, serial(&answer));
    assert_eq!(yard.revoked[0].device, None, "it was of another site");
    let client_id = format!("{}/{device}", world.cloud.org);
    let kicked = cuts.kicked.lock().unwrap().clone();
    assert!(
        kicked.iter().any(|id| id.contains(device.as_str())),
        "{client_id}: {kicked:?}"
    );
    let cleared = cuts.cleared.lock().unwrap().clone();
    assert!(
        cleared
            .iter()
            .any(|topic| topic.ends_with(&format!("hall/{device}/state/desired"))),
        "{cleared:?}"
    );

    // A gateway that comes later is told as well; nothing new is issued for nothing.
    world.enrol_in("attic", "gateway", 3).await;
    world.cloud.issue_unissued().await.unwrap();
    assert_eq!(world.site_plan("attic").await.revoked, yard.revoked);
    assert!(
        !world
            .cloud
            .issue_site(&"hall".parse().unwrap())
            .await
            .unwrap()
    );
    // The gateway's own certificates are no business of other gateways.
    world.delete("/api/v1/sites/yard/gateway").await;
    assert_eq!(world.site_plan("hall").await, hall);
}

#[tokio::test]
async fn a_revocation_that_was_not_carried_out_is_at_the_next_start() {
    let world = World::with_sites(&["hall"]).await;
    world.enrol_in("hall", "gateway", 1).await;
    let answer = world.enrol_in("hall", "device", 9).await;
    let EnrolKind::Device(device) = answer.kind else {
        panic!("a gateway")
    };
    world.cloud.revoke_device(&device).await.unwrap();
    world.cloud.store.close().await;
    let cloud = Cloud::open(world.cloud.config.clone()).await.unwrap();
    let cuts = Arc::new(Outbound::default());
    cloud.connect(cuts.clone());
    cloud.issue_unissued().await.unwrap();
    assert_eq!(cuts.kicked.lock().unwrap().len(), 1);
    let issued = cloud.store.desired("hall/gateway").await.unwrap().unwrap();
    let plan = SiteDesired::from_cbor(&issued.payload).unwrap();
    assert_eq!(plan.revoked.len(), 1);
}
