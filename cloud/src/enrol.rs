//! Enrolment: a token's signature against a certificate.

use std::time::Duration;

use noroshi_gateway::devices_http::certificate_serial;
use noroshi_protocol::{
    Domain, EnrolAnswer, EnrolKind, EnrolRequest, EnrolToken, Envelope, Identity as Peer, Message,
    PublicKey, SigningKey, SiteId,
};
use noroshi_service::tls::Leaf;

use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::random;
use crate::store::{Enrolled, Issued, NewEnrolmentToken, PeerKind, Redemption, unknown_token};

/// How long a certificate of a device or gateway is valid.
const LIFETIME: Duration = Duration::from_hours(365 * 24);

/// What a new token is for.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// The site that it enrols into.
    pub site: SiteId,
    /// What it enrols.
    pub kind: PeerKind,
    /// How often.
    pub uses: u32,
    /// For how long.
    pub lifetime: Duration,
}

impl Cloud {
    /// Makes an enrolment token. Its text is answered here and never again: only the public half
    /// of its seed is kept.
    pub async fn create_enrolment_token(&self, request: &TokenRequest) -> Result<EnrolToken> {
        self.store.site(&request.site).await?;
        if request.kind == PeerKind::Gateway && request.site == self.direct() {
            return Err(Error::invalid(
                "the site `direct` has no gateway: the cloud serves it; make another site",
            ));
        }
        let token = EnrolToken {
            id: random::id(),
            seed: random::bytes(),
            pin: self.pin(),
            development: self.development,
        };
        let seed = token
            .key()
            .map_err(|error| Error::Internal(error.to_string()))?;
        let now_ms = self.now_ms();
        let kept = NewEnrolmentToken {
            id: token.id.clone(),
            public_key: seed.public().clone(),
            site: request.site.clone(),
            kind: request.kind,
            uses: request.uses,
            expires_ms: now_ms.saturating_add(request.lifetime.as_millis() as u64),
        };
        self.store.create_enrolment_token(&kept, now_ms).await?;
        Ok(token)
    }

    /// Answers a request: CBOR of an `EnrolRequest` in, CBOR of the signed answer's envelope out.
    pub async fn enrol(&self, request: &[u8]) -> Result<Vec<u8>> {
        let request =
            EnrolRequest::from_cbor(request).map_err(|error| Error::invalid(error.to_string()))?;
        let token = self
            .store
            .enrolment_token(&request.token)
            .await?
            .ok_or_else(unknown_token)?;
        let seed = PublicKey::from_bytes(&token.public_key)
            .map_err(|error| Error::corrupt("token's key", error))?;
        if !request.is_signed_by(&seed) {
            return Err(Error::Conflict {
                code: "token_unknown",
                detail: "the request is not signed with this token; check that the token was \
                         copied whole"
                    .to_owned(),
            });
        }
        let now_ms = self.signing_time()?;
        let redemption = Redemption {
            token: request.token.clone(),
            public_key: request.public_key.clone(),
            device: random::id(),
            name: request.name.clone(),
            capabilities: request.capabilities.clone(),
        };
        let issue = |enrolled: &Enrolled| self.certify(&request, enrolled, now_ms);
        let (enrolled, issued) = self.store.redeem(&redemption, now_ms, issue).await?;
        tracing::info!(site.id = %enrolled.site, device.id = %enrolled.device, "enrolled");
        if enrolled.kind == PeerKind::Gateway {
            // Whoever was this gateway before is not any more.
            let before = self.peer_of(&enrolled).client_id();
            self.outlet().kick(&before).await;
            self.unissued.notify_one();
        }
        let answer = self.answer(&request, enrolled, issued, now_ms);
        Ok(seal_answer(&answer, &self.answer_key))
    }

    fn peer_of(&self, enrolled: &Enrolled) -> Peer {
        let org = self.org.clone();
        match enrolled.kind {
            PeerKind::Device => Peer::Device {
                org,
                device: enrolled.device.clone(),
            },
            PeerKind::Gateway => Peer::Gateway {
                org,
                site: enrolled.site.clone(),
            },
        }
    }

    fn certify(&self, request: &EnrolRequest, enrolled: &Enrolled, now_ms: u64) -> Result<Issued> {
        let internal = |text: String| Error::Internal(text);
        let leaf = Leaf {
            peer: self.peer_of(enrolled),
            public_key: request.public_key.clone(),
            issued_ms: now_ms,
            lifetime: LIFETIME,
        };
        let certificate = self
            .authority
            .issue(&leaf)
            .map_err(|error| internal(error.to_string()))?;
        Ok(Issued {
            serial: certificate_serial(&certificate)
                .ok_or_else(|| internal("a new certificate has no serial number".to_owned()))?,
            certificate: certificate.to_vec(),
            expires_ms: now_ms.saturating_add(LIFETIME.as_millis() as u64),
        })
    }

    fn answer(
        &self,
        request: &EnrolRequest,
        enrolled: Enrolled,
        issued: Issued,
        now_ms: u64,
    ) -> EnrolAnswer {
        EnrolAnswer {
            org: self.org.clone(),
            site: enrolled.site,
            kind: match enrolled.kind {
                PeerKind::Device => EnrolKind::Device(enrolled.device),
                PeerKind::Gateway => EnrolKind::Gateway,
            },
            enrolment: enrolled.enrolment,
            public_key: request.public_key.clone(),
            nonce: request.nonce.clone(),
            chain: vec![serde_bytes::ByteBuf::from(issued.certificate)],
            issued_ms: now_ms,
        }
    }
}

fn seal_answer(answer: &EnrolAnswer, key: &SigningKey) -> Vec<u8> {
    Envelope::seal(Domain::Enrolment, answer, key).to_cbor()
}
