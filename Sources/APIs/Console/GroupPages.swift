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
    /// Whether all groups are shown, and lead to their pages.
    let showsAll: Bool
    let canCreate: Bool
    /// How many people wait for somebody to approve their registration; nil for who may not.
    let waiting: Int?
    var problem: String?

    func response(_ files: StaticFiles) -> Response {
        Page("Groups", principal, problem: problem).response(files) { html in
            html.element("h1", text: "Groups")
            html.problem(problem)
            if let waiting, waiting > 0 {
                html.element("p") { html in
                    html.element(
                        "a", .href("/registrations"),
                        text: "\(Words.count(Int64(waiting), "person waits", "people wait")) for an account")
                }
            }
            if canCreate {
                html.form("/groups", class: "asking narrow") { html in
                    html.void(
                        "input", .set("name", "name"), .set("aria-label", "Name of the new group"),
                        .set("placeholder", "Name of the new group"), .set("autocomplete", "off"),
                        .set("autocapitalize", "none"), .flag("required"))
                    html.submit("Make a group", isQuiet: true)
                }
            }
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
            html.element("h2") { html in
                if view.isManager || showsAll {
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

/// Joining, leaving and looking after groups.
extension ConsoleService {
    private static let groupsMax = 100
    private static let correctableInGroups: Set<IdentityError.Code> = [
        .notFound, .exists, .limit, .invalidName, .conflict,
    ]

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
        guard request.method == .POST, path.count != 1 else { throw Problem.methodNotAllowed("GET") }
        try requireOwnForm(request)
        let form = try await request.form()
        guard !path.isEmpty else { return try await createGroup(form["name"] ?? "", account, caller) }
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
            case let change: try await edit(group, change, path, form, request, caller)
            }
        } catch let error as IdentityError where Self.correctableInGroups.contains(error.code) {
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

    /// What the node's administrators change of a group.
    private func edit(
        _ group: String, _ change: [String], _ path: [String], _ form: QueryItems, _ request: Request, _ caller: Caller
    ) async throws {
        func require(_ action: String) async throws {
            try await gate.require(caller.principal, action, on: ResourceName.group(group), caller.context)
        }
        let name = caller.principal.name
        switch change {
        case ["details"]:
            try await require("iam:UpdateGroup")
            try await identity.setDetails(
                description: form["description"] ?? "", isOpen: form["open"] == "1", ofGroup: group, by: name)
        case ["managers"]:
            try await require("iam:UpdateGroup")
            try await identity.addManager(form["account"] ?? "", to: group, by: name)
        case ["managers", "*", "remove"]:
            try await require("iam:UpdateGroup")
            try await identity.removeManager(path[2], from: group, by: name)
        case ["attributes"]:
            try await require("iam:UpdateGroup")
            try await identity.setAttributes(
                [(form["attribute"] ?? "", form["value"] ?? "")], of: .group(group), by: name)
        case ["attributes", "remove"]:
            try await require("iam:UpdateGroup")
            try await identity.setAttributes([(form["attribute"] ?? "", nil)], of: .group(group), by: name)
        case ["groups"]:
            try await require("iam:AddUserToGroup")
            try await identity.addMember(group: form["group"] ?? "", to: group, by: name)
        case ["groups", "*", "remove"]:
            try await require("iam:RemoveUserFromGroup")
            try await identity.removeMember(group: path[2], from: group, by: name)
        default: throw Problem.notFound("There is no page at \(request.rawPath.prefix(200)).")
        }
    }

    private func createGroup(_ group: String, _ account: Int64, _ caller: Caller) async throws -> Response {
        try await gate.require(caller.principal, "iam:CreateGroup", on: ResourceName.group(group), caller.context)
        do {
            try await identity.createGroup(name: group, by: caller.principal.name)
        } catch let error as IdentityError where [.exists, .invalidName].contains(error.code) {
            return try await groupsPage(account, caller, problem: error.message)
        }
        return .redirect(Link.group(group))
    }

    private func groupsPage(
        _ account: Int64, _ caller: Caller, after: String = "", problem: String? = nil
    ) async throws -> Response {
        let showsAll = try await may(caller, "iam:ListGroups", ResourceName.group("*"))
        let views = try await identity.groupViews(for: account, all: showsAll, after: after, limit: Self.groupsMax)
        let approves = try await may(caller, "iam:CreateUser", ResourceName.account("*"))
        return GroupsPage(
            principal: caller.principal, groups: views,
            next: views.count == Self.groupsMax ? views.last?.group.name : nil, showsAll: showsAll,
            canCreate: try await may(caller, "iam:CreateGroup", ResourceName.group("*")),
            waiting: approves ? try await people.registrations(limit: 200).count : nil, problem: problem
        ).response(files)
    }

    private func groupPage(_ name: String, _ caller: Caller, problem: String? = nil) async throws -> Response {
        try await requireManaging(name, caller)
        let canEdit = try await may(caller, "iam:UpdateGroup", ResourceName.group(name))
        return GroupPage(
            principal: caller.principal, group: try await identity.group(name),
            requests: try await identity.joinRequests(group: name), members: try await identity.members(of: name),
            managers: try await identity.managers(of: name),
            attributes: try await identity.attributes(of: .group(name)), canEdit: canEdit, problem: problem
        ).response(files)
    }
}
