import HTTPSupport
import IAMPolicy
import Identity
import Policy
import Wire

/// Whether somebody may do something, and which statement says so.
struct AccessPage {
    let principal: Principal
    /// What was asked, as it was typed.
    let asked: QueryItems
    var simulation: Simulation?
    var problem: String?

    private static let fields: [(label: String, name: String, hint: String)] = [
        ("Who", "who", "account, role:NAME or anonymous"), ("Action", "action", "s3:GetObject"),
        ("Resource", "resource", "arn:aws:s3:::eo-data/a.tif"), ("From address", "from", "192.0.2.1"),
    ]

    private static let methods = ["token", "password", "session", "access-key", "app-password", "certificate"]

    func response(_ files: StaticFiles) -> Response {
        Page("Who may do what", principal).response(files) { html in
            html.element("h1", text: "Who may do what")
            html.element(
                "form", .class("filters"), .set("method", "get"), .set("aria-label", "Ask for a decision")
            ) { html in
                for field in Self.fields {
                    html.element("div", .class("field")) { html in
                        html.element("label", .set("for", "access-" + field.name), text: field.label)
                        html.void(
                            "input", .id("access-" + field.name), .set("name", field.name), .set("type", "text"),
                            .set("value", asked[field.name] ?? ""), .set("placeholder", field.hint),
                            .set("autocomplete", "off"), .set("spellcheck", "false"))
                    }
                }
                html.element("div", .class("field")) { html in
                    html.raw("<label for=\"access-method\">Logged in by</label>")
                    html.element("select", .id("access-method"), .set("name", "method")) { html in
                        for method in Self.methods {
                            html.element("option", .flag("selected", asked["method"] == method), text: method)
                        }
                    }
                }
                html.raw("<div class=\"actions\"><button type=\"submit\">Ask</button></div>")
            }
            if let problem { html.element("p", .class("problem"), .set("role", "alert"), text: problem) }
            if let simulation { write(simulation, &html) }
        }
    }

    private func write(_ simulation: Simulation, _ html: inout HTML) {
        html.element("section", .class("panel"), .set("aria-label", "Decision")) { html in
            html.element("h2", text: simulation.decision.isAllowed ? "Allowed" : "Refused")
            html.element("p", text: simulation.decision.description)
            if let deciding = simulation.deciding, !deciding.from.isEmpty {
                html.element("p", text: "The policy is attached to \(deciding.from.joined(separator: ", ")).")
            }
            if !simulation.nearMisses.isEmpty {
                html.element("h3", text: "What would have allowed it")
                html.element("ul") { html in
                    for miss in simulation.nearMisses { html.element("li", text: miss.description) }
                }
            }
            html.element("h3", text: "Policies that were asked")
            guard !simulation.policies.isEmpty else { return html.element("p", .class("sub"), text: "None applies.") }
            html.element("ul") { html in
                for policy in simulation.policies {
                    html.element("li") { html in
                        html.text(policy.name)
                        if !policy.from.isEmpty {
                            html.element("span", .class("sub"), text: "  of \(policy.from.joined(separator: ", "))")
                        }
                    }
                }
            }
        }
    }
}
