import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import Wire

/// The groups that concern a person: to join, that they are in, and that they look after.
struct GroupsPage {
    let principal: Principal
    let groups: [Identity.GroupView]
    /// The name behind which the next page begins; nil on the last one.
    let next: String?
    var problem: String?

    func response(_ files: StaticFiles) -> Response {
        var page = Page("Groups", principal)
        if problem != nil { page.status = .badRequest }
        return page.response(files) { html in
            html.element("h1", text: "Groups")
            html.problem(problem)
            guard !groups.isEmpty else {
                return html.element(
                    "p", .class("lead"),
                    text: "You are in no group, and there is none that you could ask to join.")
            }
            html.element("ul", .class("cards")) { html in for group in groups { write(group, &html) } }
            if let next {
                html.element("nav", .class("pages"), .set("aria-label", "Pages")) { html in
                    html.element(
                        "a", .class("button"), .href("/groups?after=" + PercentEncoding.encode(next)),
                        text: "More groups")
                }
            }
        }
    }

    private func write(_ view: Identity.GroupView, _ html: inout HTML) {
        let path = Link.group(view.group.name)
        html.element("li", .class("card")) { html in
            html.element("h3") { html in
                if view.isManager {
                    html.element("a", .href(path), text: view.group.name)
                } else {
                    html.text(view.group.name)
                }
            }
            if !view.group.description.isEmpty { html.element("p", text: view.group.description) }
            html.element("div", .class("actions")) { html in
                if view.isMember {
                    html.element("span", .class("sub"), text: "You are a member.")
                    html.button("Leave", path + "/leave", says: "Leave \(view.group.name)")
                } else if view.hasAsked {
                    html.element("span", .class("sub"), text: "You have asked to join.")
                    html.button(
                        "Withdraw", path + "/withdraw", says: "Withdraw the request to join \(view.group.name)")
                } else if view.group.isOpen {
                    html.form(path + "/join", class: "asking") { html in
                        html.void(
                            "input", .set("name", "note"), .set("maxlength", "1000"),
                            .set("aria-label", "Why you want to join \(view.group.name)"),
                            .set("placeholder", "Why you want to join"))
                        html.submit("Ask to join", isQuiet: true)
                    }
                }
            }
        }
    }
}

/// A group as its managers see it: requests, and members.
struct GroupPage {
    let principal: Principal
    let group: Group
    let requests: [JoinRequest]
    let members: (accounts: [String], groups: [String])
    let managers: [String]
    var problem: String?

    /// Members that are listed; more are for the command line.
    private static let listedMax = 500

    func response(_ files: StaticFiles) -> Response {
        var page = Page(group.name, principal)
        if problem != nil { page.status = .badRequest }
        return page.response(files) { html in
            html.trail([("Groups", "/groups")], here: group.name)
            html.element("h1", text: group.name)
            if !group.description.isEmpty { html.element("p", .class("lead"), text: group.description) }
            html.problem(problem)
            html.element("div", .class("columns")) { html in
                html.element("section", .class("panel"), .set("aria-label", "Requests")) { writeRequests(&$0) }
                html.element("section", .class("panel"), .set("aria-label", "Members")) { writeMembers(&$0) }
            }
        }
    }

    private var path: String { Link.group(group.name) }

    private func writeRequests(_ html: inout HTML) {
        html.element("h2", text: "Requests to join")
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
        html.element("h2", text: "Members")
        if members.accounts.isEmpty, members.groups.isEmpty {
            html.element("p", .class("sub"), text: "None.")
        } else {
            listMembers(&html)
        }
        html.form(path + "/members") { html in
            html.field("Login name", "account")
            html.submit("Add a member", isQuiet: true)
        }
    }

    private func listMembers(_ html: inout HTML) {
        html.element("ul", .class("items compact rows")) { html in
            for name in members.groups {
                html.element("li") { html in
                    html.element("div") { $0.element("strong", text: "All of \(name)") }
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

/// Joining, leaving and looking after groups.
extension ConsoleService {
    private static let groupsMax = 100

    /// `/groups` and below.
    func groups(_ request: Request, _ caller: Caller, path: [String]) async throws -> Response {
        let isRead = request.method == .GET || request.method == .HEAD
        guard let account = caller.principal.accountID, caller.principal.method == .session else {
            return .redirect(Link.login(next: "/groups"))
        }
        if isRead {
            if path.isEmpty { return try await groupsPage(account, caller, after: request.query?["after"] ?? "") }
            guard path.count == 1 else { throw Problem.methodNotAllowed("POST") }
            return try await groupPage(path[0], caller)
        }
        guard request.method == .POST, path.count >= 2 else { throw Problem.methodNotAllowed("GET") }
        try requireOwnForm(request)
        let form = try await request.form()
        let (group, name) = (path[0], caller.principal.name)
        let isOwn = path.count == 2 && ["join", "withdraw", "leave"].contains(path[1])
        do {
            switch path.count == 4 ? [path[1], "*", path[3]] : Array(path.dropFirst()) {
            case ["join"]: try await identity.requestJoin(group, note: form["note"] ?? "", as: name)
            case ["withdraw"]: try await identity.withdrawJoin(group, as: name)
            case ["leave"]: try await identity.removeMember(account: name, from: group, by: name)
            case ["members"]:
                try await requireManaging(group, caller)
                try await identity.addMember(account: form["account"] ?? "", to: group, by: name)
            case ["members", "*", "remove"]:
                try await requireManaging(group, caller)
                try await identity.removeMember(account: path[2], from: group, by: name)
            case ["requests", "*", "approve"], ["requests", "*", "reject"]:
                try await requireManaging(group, caller)
                try await identity.answerJoin(group, of: path[2], isApproved: path[3] == "approve", by: name)
            default: throw Problem.notFound("There is no page at \(request.rawPath.prefix(200)).")
            }
        } catch let error as IdentityError where [.notFound, .exists, .limit].contains(error.code) {
            return isOwn
                ? try await groupsPage(account, caller, problem: error.message)
                : try await groupPage(group, caller, problem: error.message)
        }
        return .redirect(isOwn ? "/groups" : Link.group(group))
    }

    private func requireManaging(_ group: String, _ caller: Caller) async throws {
        if try await identity.manages(caller.principal.accountID, group: group) { return }
        try await gate.require(
            caller.principal, "iam:AddUserToGroup", on: ResourceName.group(group), caller.context)
    }

    private func groupsPage(
        _ account: Int64, _ caller: Caller, after: String = "", problem: String? = nil
    ) async throws -> Response {
        let views = try await identity.groupViews(for: account, after: after, limit: Self.groupsMax)
        return GroupsPage(
            principal: caller.principal, groups: views,
            next: views.count == Self.groupsMax ? views.last?.group.name : nil, problem: problem
        ).response(files)
    }

    private func groupPage(_ name: String, _ caller: Caller, problem: String? = nil) async throws -> Response {
        try await requireManaging(name, caller)
        return GroupPage(
            principal: caller.principal, group: try await identity.group(name),
            requests: try await identity.joinRequests(group: name), members: try await identity.members(of: name),
            managers: try await identity.managers(of: name), problem: problem
        ).response(files)
    }
}
