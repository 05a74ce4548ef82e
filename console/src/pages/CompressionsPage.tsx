import { useCompressions } from "../api/compressions";
import { Answer } from "../parts/Answer";
import { Page } from "../parts/Page";
import { Pager } from "../parts/Pager";
import { Panel } from "../parts/Panel";
import { useAddress } from "../parts/useAddress";
import { CompressionTable } from "./compression/CompressionTable";

const names = ["cursor"] as const;

/** Every order to compress a model, newest first. */
export function CompressionsPage() {
  const [{ cursor }, change] = useAddress(names);
  return (
    <Page title="Compressions" about="Uploaded models that become smaller versions">
      <Answer query={useCompressions({ cursor })} waiting="Fetching the compressions">
        {({ items, next_cursor }) => (
          <>
            <Panel flush>
              <CompressionTable orders={items} />
            </Panel>
            <Pager cursor={cursor} next={next_cursor} go={(next) => change({ cursor: next })} />
          </>
        )}
      </Answer>
    </Page>
  );
}
