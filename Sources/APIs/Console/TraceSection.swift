import HTTPSupport
import MerkleLog
import TraceFormat
import Wire

/// A product's traces: what is proved about it, and how to check that without this node.
struct TraceSection {
    let reports: [TraceReport]
    let item: ItemView
    let addresses: NodeAddresses
    /// The log's key, for those who check without trusting the node.
    let vkey: String

    func write(to html: inout HTML) {
        html.element("section", .class("panel"), .set("aria-labelledby", "trace")) { html in
            html.element("h2", .id("trace"), text: "Trace")
            guard let first = reports.first else {
                return html.element(
                    "p", .class("sub"),
                    text:
                        "No trace is registered for this product yet. It is signed soon after the product is complete.")
            }
            write(first, &html)
            for report in reports.dropFirst() {
                html.element("details") { html in
                    html.element(
                        "summary", text: "\(report.trace.event.rawValue) of \(Words.time(report.trace.timestamp))")
                    write(report, &html)
                }
            }
            html.element("h3", text: "Check it yourself")
            html.element(
                "p", .class("sub"),
                text: "On a copy of the product. Nothing is believed but the log's key, which is in the command:")
            html.command(
                "MARTLET_URL=\(addresses.web) martlet trace verify --vkey \(Self.shellWord(vkey)) "
                    + Self.shellWord("./" + first.trace.product.name))
        }
    }

    private func write(_ report: TraceReport, _ html: inout HTML) {
        let trace = report.trace
        writeVerdict(report, &html)
        html.element("dl", .class("facts")) { html in
            html.entry("Event", "\(trace.event.rawValue), \(Words.time(trace.timestamp))")
            html.element("dt", text: "\(trace.hashAlgorithm.rawValue) digest")
            html.element("dd") { $0.element("code", text: trace.product.hash) }
            html.entry(
                "Covers",
                "\(Words.count(Int64(trace.product.contents?.count ?? 1), "file", "files")), \(Words.size(trace.product.size))"
            )
            if let signer = report.signer { html.entry("Signed by", "\(signer) (\(trace.signature.algorithm))") }
            html.entry("Registered by", trace.origin)
            if let index = report.index { html.entry("Log entry", Words.count(Int64(clamping: index))) }
            if let checkpoint = report.checkpoint {
                html.entry(
                    "Log", "\(checkpoint.origin), \(Words.count(Int64(clamping: checkpoint.size), "entry", "entries"))")
            }
            if let reason = trace.obsolescence { html.entry("Obsolete", reason) }
            if let inputs = trace.product.inputs, !inputs.isEmpty {
                html.element("dt", text: "Made from")
                for input in inputs.prefix(Self.inputsMax) {
                    let traces =
                        input.hash.isEmpty ? "name/\(PercentEncoding.encode(input.name))" : "hash/\(input.hash)"
                    html.element("dd") { html in
                        html.element("a", .href("/traces/api/v1/traces/" + traces), text: input.name)
                    }
                }
                if inputs.count > Self.inputsMax {
                    html.element("dd", text: "and \(inputs.count - Self.inputsMax) more")
                }
            }
        }
        let base = "/traces/api/v1/traces/\(trace.id)"
        html.element("p", .class("links")) { html in
            html.element("a", .href(base), text: "Raw trace")
            html.element("a", .href(base + "/proof"), text: "Inclusion proof")
            html.element("a", .href("/traces/log/checkpoint"), text: "Checkpoint")
            html.element("a", .href("/traces/log/vkey"), text: "Log key")
        }
    }

    private func writeVerdict(_ report: TraceReport, _ html: inout HTML) {
        if report.isVerified {
            html.element("p", .class("verdict good")) { html in
                html.element("strong", text: "Verified")
                html.text(" just now: the signature, the inclusion in the log and the log's signed checkpoint hold.")
                if report.known > 0 {
                    let known = Words.count(Int64(report.known), "file", "files")
                    html.text(" The digests of \(report.matching) of \(known) here are the trace's.")
                }
            }
        } else {
            html.element("div", .class("verdict bad"), .set("role", "alert")) { html in
                html.element("strong", text: "Not verified")
                html.element("ul") { html in for fault in report.faults { html.element("li", text: "\(fault)") } }
            }
        }
    }

    /// The most inputs of a product that are listed.
    private static let inputsMax = 20

    /// A name as one word of a shell's command.
    static func shellWord(_ name: String) -> String {
        let plain = name.utf8.allSatisfy { PercentEncoding.isUnreserved($0) || $0 == UInt8(ascii: "/") }
        return plain ? name : "'" + name.replacing("'", with: "'\\''") + "'"
    }
}
