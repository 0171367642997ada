import HTTPSupport
import Identity
import Journal
import Wire

/// The audit trail: who did what, when and from where, with a form to search it.
struct AuditPage {
    let principal: Principal
    /// What was asked, as it was typed.
    let asked: QueryItems
    let records: [AuditRecord]
    let next: String?
    let problem: String?

    private static let fields: [(label: String, name: String, type: String, hint: String)] = [
        ("Who", "who", "text", "account"), ("What", "what", "text", "login.*"),
        ("On", "on", "text", "account, group, …"),
        ("From address", "from", "text", "192.0.2.7"), ("Since", "since", "date", ""), ("Until", "until", "date", ""),
        ("Text", "text", "search", "anywhere"),
    ]

    func response(_ files: StaticFiles) -> Response {
        Page("Audit", principal).response(files) { html in
            html.element("h1", text: "Audit")
            writeForm(&html)
            if let problem { html.element("p", .class("problem"), .set("role", "alert"), text: problem) }
            guard !records.isEmpty else {
                html.element(
                    "p", .class("sub"),
                    text: next == nil
                        ? "Nothing matches." : "Nothing matches so far; older records were not looked at yet.")
                return writePages(&html)
            }
            html.element("table", .class("files audit")) { html in
                html.raw(
                    "<thead><tr><th>When</th><th>Who</th><th>What</th><th>On</th><th>From</th><th>Particulars</th></tr></thead>"
                )
                html.element("tbody") { html in for record in records { write(record, &html) } }
            }
            writePages(&html)
        }
    }

    private func writeForm(_ html: inout HTML) {
        html.element(
            "form", .class("filters audit"), .set("method", "get"), .set("role", "search"),
            .set("aria-label", "Search the audit trail")
        ) { html in
            for field in Self.fields {
                html.element("div", .class("field")) { html in
                    html.element("label", .set("for", "audit-" + field.name), text: field.label)
                    html.void(
                        "input", .id("audit-" + field.name), .set("name", field.name), .set("type", field.type),
                        .set("value", asked[field.name] ?? ""), .set("placeholder", field.hint),
                        .set("autocomplete", "off"), .set("spellcheck", "false"))
                }
            }
            html.check("Also reads that were allowed", "reads", isOn: asked["reads"] == "1")
            html.check("Also changes of data", "data", isOn: asked["data"] == "1")
            html.raw("<div class=\"actions\"><button type=\"submit\">Search</button>")
            html.element("a", .class("button quiet"), .href(link("/admin/v1/audit", [("format", "csv")])), text: "CSV")
            html.element(
                "a", .class("button quiet"), .href(link("/admin/v1/audit", [("format", "ndjson")])), text: "NDJSON")
            html.raw("</div>")
        }
    }

    private func write(_ record: AuditRecord, _ html: inout HTML) {
        let detail = (try? JSONValue(parsing: record.detail))?.object ?? JSONObject()
        let address = detail["client"]?.string ?? detail["address"]?.string ?? ""
        html.element("tr") { html in
            html.element("td") { html in
                html.element("time", .set("datetime", record.time.rfc3339), text: Words.time(record.time))
            }
            html.element("td") { $0.element("a", .href(link("/audit", [("who", record.actor)])), text: record.actor) }
            html.element("td") { $0.element("a", .href(link("/audit", [("what", record.kind)])), text: record.kind) }
            html.element("td", .class("subject"), text: record.subject)
            html.element("td", text: address)
            html.element("td", .class("detail")) { html in
                for member in detail.members where !["client", "address", "request"].contains(member.name) {
                    html.element("div") { html in
                        html.element("span", .class("sub"), text: member.name + " ")
                        html.text((member.value.string ?? member.value.text).prefix(300))
                    }
                }
            }
        }
    }

    private func writePages(_ html: inout HTML) {
        guard let next else { return }
        html.element("nav", .class("pages"), .set("aria-label", "Pages")) { html in
            html.element(
                "a", .class("button"), .set("rel", "next"), .href(link("/audit", [("before", next)])), text: "Older")
        }
    }

    /// The address of the same search with something else in it.
    private func link(_ path: String, _ changes: [(name: String, value: String?)]) -> String {
        var query = QueryItems(
            asked.items.filter { item in
                item.value?.isEmpty == false && item.name != "before" && !changes.contains { $0.name == item.name }
            })
        query.items += changes
        return path + "?" + query.encoded
    }
}
