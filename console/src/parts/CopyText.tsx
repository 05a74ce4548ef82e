import { Button, CopyButton } from "@mantine/core";

import classes from "./CopyText.module.css";
import { Icon } from "./Icon";

/** A text to take along: one click copies it, one selects it. */
export function CopyText({ text, what }: { text: string; what: string }) {
  return (
    <div className={classes.line}>
      <code aria-label={what}>{text}</code>
      {/* Browsers give a page the clipboard only over HTTPS or on localhost. */}
      {window.isSecureContext && (
        <CopyButton value={text}>
          {({ copied, copy }) => (
            <Button
              size="compact-sm"
              variant="default"
              onClick={copy}
              aria-label={`Copy the ${what}`}
              leftSection={<Icon name={copied ? "tick" : "copy"} size={15} />}
            >
              {copied ? "Copied" : "Copy"}
            </Button>
          )}
        </CopyButton>
      )}
    </div>
  );
}
