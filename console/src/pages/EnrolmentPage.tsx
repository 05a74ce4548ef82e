import { useCreateEnrolmentToken } from "../api/enrolment";
import { useMay } from "../api/session";
import { Empty } from "../parts/Empty";
import { Page } from "../parts/Page";
import { Panel } from "../parts/Panel";
import { MadeToken } from "./enrolment/MadeToken";
import { NewTokenForm } from "./enrolment/NewToken";
import { TokenTable } from "./enrolment/TokenTable";

/** Makes the tokens by which devices and gateways join. */
export function EnrolmentPage() {
  const mayEnrol = useMay("admin");
  const create = useCreateEnrolmentToken();
  return (
    <Page title="Enrolment" about="Tokens by which devices and gateways join the fleet">
      {mayEnrol ? (
        <>
          {create.data ? (
            <MadeToken token={create.data} forget={create.reset} />
          ) : (
            <NewTokenForm create={create.mutate} pending={create.isPending} error={create.error} />
          )}
          <TokenTable />
        </>
      ) : (
        <Panel>
          <Empty text="Only an admin may enrol.">Ask one for a token.</Empty>
        </Panel>
      )}
    </Page>
  );
}
