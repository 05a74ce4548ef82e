//! Why does a device not run what it should? One sentence with the cure.

use noroshi_protocol::{
    Assignment, DeviceId, PipelineReport, PipelineState, Reported, UpdatePhase,
};

use crate::cloud::Cloud;
use crate::documents::read_rollout;
use crate::error::{Error, Result};
use crate::store::{PeerRow, unsigned};

impl Cloud {
    /// What stands between a device and what it should run, or that nothing does.
    pub async fn why(&self, device: &DeviceId) -> Result<String> {
        let id = device.as_str();
        if let Some(open) = self.store.open_rollout_of(id).await? {
            let open = open
                .parse()
                .map_err(|error| Error::corrupt("rollout id", error))?;
            return Ok(read_rollout(&self.store.rollout(&open).await?)?.why(device));
        }
        let peer = self.store.device(id).await?;
        let wanted = self.store.assignments_of(id).await?;
        let issued = self
            .store
            .desired(id)
            .await?
            .map_or(0, |row| unsigned(row.sequence));
        Ok(sentence(&peer, peer.report()?.as_ref(), &wanted, issued))
    }
}

fn sentence(
    peer: &PeerRow,
    report: Option<&Reported>,
    wanted: &[Assignment],
    issued: u64,
) -> String {
    if issued == 0 && wanted.is_empty() {
        return "Nothing is assigned to it: apply a pipeline that selects it.".to_owned();
    }
    let Some(report) = report else {
        return format!(
            "It has not reported yet and is {}: start its agent.",
            peer.status
        );
    };
    if let Some(refused) = report
        .refused
        .as_ref()
        .filter(|refused| refused.sequence >= issued)
    {
        return format!("It did not take its newest document: {}.", refused.reason);
    }
    if report.desired < issued {
        return match peer.status.as_str() {
            "online" => "It has not taken its newest document yet: wait, it is online.".to_owned(),
            status => format!(
                "It has not taken its newest document and is {status}: it will when it is back."
            ),
        };
    }
    let missing = wanted
        .iter()
        .find(|one| !report.pipelines.iter().any(|own| is(own, one)));
    match (missing, report.update.as_ref()) {
        (None, _) => failure(report).unwrap_or_else(|| "It runs what it should.".to_owned()),
        (Some(missing), Some(update)) => under_way(missing, &update.phase)
            .or_else(|| failure(report))
            .unwrap_or_else(|| {
                format!(
                    "Pipeline {} does not run there yet: wait.",
                    missing.pipeline
                )
            }),
        (Some(missing), None) => failure(report).unwrap_or_else(|| {
            format!(
                "Pipeline {} does not run there yet: wait.",
                missing.pipeline
            )
        }),
    }
}

fn is(report: &PipelineReport, wanted: &Assignment) -> bool {
    report.pipeline == wanted.pipeline
        && report.model == wanted.model.model
        && report.version == wanted.model.version
        && report.revision == wanted.revision
}

fn under_way(missing: &Assignment, phase: &UpdatePhase) -> Option<String> {
    let pipeline = &missing.pipeline;
    match phase {
        UpdatePhase::Failed(reason) => Some(format!(
            "Pipeline {pipeline} could not be brought to it: {reason}. Cure that, or assign \
             another version."
        )),
        UpdatePhase::Reverted(reason) => Some(format!(
            "Pipeline {pipeline} ran what is new and was taken back: {reason}. Assign another \
             version."
        )),
        UpdatePhase::Active => None,
        phase => Some(format!(
            "It is bringing pipeline {pipeline} in ({}): wait.",
            phase.word()
        )),
    }
}

fn failure(report: &Reported) -> Option<String> {
    report
        .pipelines
        .iter()
        .find_map(|pipeline| match &pipeline.state {
            PipelineState::Failed(reason) => Some(format!(
                "Pipeline {} can't run: {reason}.",
                pipeline.pipeline
            )),
            PipelineState::Running | PipelineState::Starting => None,
        })
}
