import HTTPSupport
import Identity
import NIOHTTP1
import Wire

/// A group as its managers see it: requests, members, managers, and what is known of it. Who may change the group
/// itself finds the forms for that.
struct GroupPage {
    let principal: Principal
    let group: Group
    let requests: [JoinRequest]
    let members: (accounts: [String], groups: [String])
    let managers: [String]
    let attributes: [(name: String, value: String)]
    /// Whether more than members can be changed.
    let canEdit: Bool
    var problem: String?

    /// Members that are listed; more are for the command line.
    private static let listedMax = 500

    func response(_ files: StaticFiles) -> Response {
        Page(group.name, principal, problem: problem).response(files) { html in
            html.trail([("Groups", "/groups")], here: group.name)
            html.element("h1", text: group.name)
            if !group.description.isEmpty { html.element("p", .class("lead"), text: group.description) }
            html.problem(problem)
            html.element("div", .class("columns")) { html in
                html.element("div") { html in
                    panel("Requests to join", &html, writeRequests)
                    panel("Members", &html, writeMembers)
                }
                html.element("div") { html in
                    if canEdit { panel("About the group", &html, writeDetails) }
                    // What governs the group of administrators is policy alone.
                    if group.name != administrators { panel("Managers", &html, writeManagers) }
                    if canEdit || !attributes.isEmpty { panel("Labels and attributes", &html, writeAttributes) }
                }
            }
        }
    }

    private var path: String { Link.group(group.name) }

    private func panel(_ title: String, _ html: inout HTML, _ body: (inout HTML) -> Void) {
        html.element("section", .class("panel"), .set("aria-label", title)) { html in
            html.element("h2", text: title)
            body(&html)
        }
    }

    private func writeDetails(_ html: inout HTML) {
        html.form(path + "/details") { html in
            html.field("What it is for", "description", value: group.description, isRequired: false)
            html.check("Everybody sees it and may ask to join", "open", isOn: group.isOpen)
            html.submit("Save", isQuiet: true)
        }
    }

    private func writeManagers(_ html: inout HTML) {
        html.element("p", .class("sub"), text: "They add and remove members and answer requests.")
        if !managers.isEmpty {
            html.element("ul", .class("items compact rows")) { html in
                for name in managers {
                    html.element("li") { html in
                        html.element("div") { $0.element("strong", text: name) }
                        guard canEdit else { return }
                        html.button(
                            "Remove", path + "/managers/\(PercentEncoding.encode(name))/remove",
                            says: "Remove the manager \(name)")
                    }
                }
            }
        }
        guard canEdit else { return }
        html.form(path + "/managers") { html in
            html.field("Login name of a manager", "account", id: "manager")
            html.submit("Add a manager", isQuiet: true)
        }
    }

    private func writeAttributes(_ html: inout HTML) {
        if !attributes.isEmpty {
            html.element("ul", .class("items compact rows")) { html in
                for (name, value) in attributes {
                    html.element("li") { html in
                        html.element("div") { html in
                            html.element("strong", text: name)
                            if !value.isEmpty { html.element("p", .class("sub"), text: value) }
                        }
                        guard canEdit else { return }
                        html.form(path + "/attributes/remove", class: "inline") { html in
                            html.hidden("attribute", name)
                            html.element(
                                "button", .class("quiet"), .set("type", "submit"),
                                .set("aria-label", "Remove the attribute \(name)"), text: "Remove")
                        }
                    }
                }
            }
        }
        guard canEdit else { return }
        html.form(path + "/attributes") { html in
            html.field("Name", "attribute")
            html.field("Value", "value", isRequired: false, note: "Without one it is a label.")
            html.submit("Set the attribute", isQuiet: true)
        }
    }

    private func writeRequests(_ html: inout HTML) {
        guard !requests.isEmpty else { return html.element("p", .class("sub"), text: "None.") }
        html.element("ul", .class("items compact rows")) { html in
            for request in requests {
                let name = PercentEncoding.encode(request.account)
                html.element("li") { html in
                    html.element("div") { html in
                        html.element("strong", text: request.account)
                        html.element(
                            "p", .class("sub"),
                            text: request.note.isEmpty
                                ? Words.time(request.created)
                                : "\(Words.time(request.created)): \(request.note)")
                    }
                    html.button("Approve", path + "/requests/\(name)/approve", says: "Approve \(request.account)")
                    html.button("Reject", path + "/requests/\(name)/reject", says: "Reject \(request.account)")
                }
            }
        }
    }

    private func writeMembers(_ html: inout HTML) {
        if members.accounts.isEmpty, members.groups.isEmpty {
            html.element("p", .class("sub"), text: "None.")
        } else {
            listMembers(&html)
        }
        html.form(path + "/members") { html in
            html.field("Login name", "account")
            html.submit("Add a member", isQuiet: true)
        }
        guard canEdit else { return }
        html.form(path + "/groups") { html in
            html.field("Name of a group, all of whose members are meant", "group")
            html.submit("Add a group", isQuiet: true)
        }
    }

    private func listMembers(_ html: inout HTML) {
        html.element("ul", .class("items compact rows")) { html in
            for name in members.groups {
                html.element("li") { html in
                    html.element("div") { $0.element("strong", text: "All of \(name)") }
                    guard canEdit else { return }
                    html.button(
                        "Remove", path + "/groups/\(PercentEncoding.encode(name))/remove", says: "Remove \(name)")
                }
            }
            for name in members.accounts.prefix(Self.listedMax) {
                html.element("li") { html in
                    html.element("div") { html in
                        html.element("strong", text: name)
                        if managers.contains(name) { html.element("p", .class("sub"), text: "Manager") }
                    }
                    html.button(
                        "Remove", path + "/members/\(PercentEncoding.encode(name))/remove", says: "Remove \(name)")
                }
            }
        }
        if members.accounts.count > Self.listedMax {
            html.element(
                "p", .class("sub"), text: "… and \(Words.count(Int64(members.accounts.count - Self.listedMax))) more.")
        }
    }
}
