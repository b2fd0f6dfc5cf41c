// What is wrong with the flow, and where.

import type { Finding, Flow } from "./types";

export function Problems({ findings, flow, onGo }: { findings: Finding[]; flow: Flow; onGo: (name: string) => void }) {
  return (
    <div className="fe-inspector">
      <h2>To mend</h2>
      {!findings.length && <p>Nothing is wrong with this flow.</p>}
      <ul className="findings">
        {findings.map((finding) => (
          <li key={finding.node + finding.code + finding.text} className={finding.severity}>
            <b>{finding.severity === "error" ? "Error" : "Warning"}</b>
            {finding.node && finding.node in flow.nodes && (
              <> at <button type="button" className="fe-link" onClick={() => onGo(finding.node)}>{finding.node}</button></>
            )}
            : {finding.text}
          </li>
        ))}
      </ul>
      <p className="fe-help">Errors stand in the way of publishing, warnings do not.</p>
    </div>
  );
}
