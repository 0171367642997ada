import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import Wire

/// What people agree to before they use the node, for who may change it.
struct UsePolicyPage {
    let principal: Principal
    /// Nil where people sign nothing.
    let policy: UsePolicy?
    /// How many people's signatures of the current version count, and how many people there are.
    let signed: (count: Int64, people: Int64)
    /// What was handed in, where it was not taken.
    var draft: (text: String, renewDays: String)?
    var problem: String?

    func response(_ files: StaticFiles) -> Response {
        Page("Agreement", principal, problem: problem).response(files) { html in
            html.element("h1", text: "Acceptable-use policy")
            html.problem(problem)
            html.element("div", .class("columns")) { html in
                html.element("section", .class("panel"), .set("aria-label", "Current version")) { writeCurrent(&$0) }
                html.element("section", .class("panel"), .set("aria-label", "New version")) { writeForm(&$0) }
            }
        }
    }

    private func writeCurrent(_ html: inout HTML) {
        guard let policy else {
            html.element("h2", text: "People sign nothing")
            return html.element(
                "p", .class("sub"), text: "Once there is a policy, people can do nothing until they have signed it.")
        }
        html.element("h2", text: "Version \(policy.version)")
        html.element("dl", .class("facts")) { html in
            html.entry("Published", Words.time(policy.created))
            html.entry(
                "Signed again",
                policy.renewDays == 0
                    ? "never" : "after \(Words.count(policy.renewDays, "day", "days"))")
            html.entry("Signed by", "\(Words.count(signed.count)) of \(Words.count(signed.people, "person", "people"))")
        }
        html.policy(policy.text)
        html.button("Withdraw it", "/use-policy/withdraw", says: "Withdraw the policy: nobody has to sign it any more")
    }

    private func writeForm(_ html: inout HTML) {
        html.element("h2", text: policy == nil ? "Publish a policy" : "Publish a new version")
        html.form("/use-policy") { html in
            html.area(
                "Text", "text", value: draft?.text ?? policy?.text ?? "", rows: 16,
                note: "Plain text. Empty lines part paragraphs; a web address in a paragraph of its own is a link.")
            html.field(
                "Days after which it is signed again", "renewDays",
                value: draft?.renewDays ?? String(policy?.renewDays ?? 0), type: "number", note: "0 for never.")
            html.submit("Publish")
        }
        html.element(
            "p", .class("sub"),
            text: "From that moment people can do nothing until they have signed. You have, since you publish it.")
    }
}

extension HTML {
    /// A policy as people read it, with its own bar to scroll.
    mutating func policy(_ text: String) {
        element("div", .class("policy"), .set("tabindex", "0")) { html in
            for part in text.split(separator: "\n\n") {
                let line = part.filter { $0 != "\n" }
                if line.hasPrefix("https://"), HTML.isSafe(String(line)) {
                    html.element("p") { $0.element("a", .href(String(line)), text: line) }
                } else {
                    html.element("p", text: part)
                }
            }
        }
    }
}

extension ConsoleService {
    /// `/agreement`: what somebody has signed, to read it, and to sign it again before it has to be.
    func agreement(_ request: Request, _ caller: Caller) async throws -> Response {
        guard caller.principal.method == .session else { return .redirect(Link.login(next: "/agreement")) }
        let name = caller.principal.name
        switch request.method {
        case .GET, .HEAD: break
        case .POST:
            try requireOwnForm(request)
            try await identity.sign(policy: Int64(try await request.form()["version"] ?? "") ?? 0, as: name)
            return .redirect("/agreement")
        default: throw Problem.methodNotAllowed("GET, POST")
        }
        guard let policy = try await identity.usePolicy() else {
            throw Problem.notFound("There is no acceptable-use policy on this node.")
        }
        let signature = try await identity.signature(of: name)
        return Page("Agreement", caller.principal).response(files) { html in
            html.element("div", .class("empty")) { html in
                html.element("h1", text: "Acceptable-use policy")
                let signed = signature.map { ", which you signed on \(Words.day($0.signed))" } ?? ""
                html.element("p", .class("lead"), text: "Version \(policy.version)\(signed):")
                html.policy(policy.text)
                guard policy.renewDays > 0 else { return }
                html.form("/agreement") { html in
                    html.hidden("version", String(policy.version))
                    html.submit("Sign it again", isQuiet: true)
                }
                html.element(
                    "p", .class("sub"),
                    text: "A signature counts for \(Words.count(policy.renewDays, "day", "days")).")
            }
        }
    }

    /// Of a form: 48 KiB of text, each byte of which may take three.
    private static let policyFormBytesMax = 160 << 10

    /// `/use-policy` and `/use-policy/withdraw`.
    func usePolicy(_ request: Request, _ caller: Caller, path: [String]) async throws -> Response {
        guard !caller.principal.isAnonymous else { return .redirect(Link.login(next: "/use-policy")) }
        let everybody = ResourceName.account("*")
        switch (path, request.method) {
        case ([], .GET), ([], .HEAD):
            try await gate.require(caller.principal, "iam:GetUsePolicy", on: everybody, caller.context)
            return try await usePolicyPage(caller)
        case ([], .POST):
            try requireOwnForm(request)
            try await gate.require(caller.principal, "iam:PutUsePolicy", on: everybody, caller.context)
            let form = try await request.form(upTo: Self.policyFormBytesMax)
            let text = (form["text"] ?? "").replacing("\r\n", with: "\n")
            do {
                _ = try await identity.publishUsePolicy(
                    text, renewDays: Int64(form["renewDays"] ?? "") ?? -1, by: caller.principal.name)
            } catch let error as IdentityError where error.code == .limit {
                return try await usePolicyPage(caller, draft: (text, form["renewDays"] ?? ""), problem: error.message)
            }
        case (["withdraw"], .POST):
            try requireOwnForm(request)
            try await gate.require(caller.principal, "iam:PutUsePolicy", on: everybody, caller.context)
            do {
                try await identity.withdrawUsePolicy(by: caller.principal.name)
            } catch let error as IdentityError where error.code == .notFound {
                return try await usePolicyPage(caller, problem: error.message)
            }
        case ([], _): throw Problem.methodNotAllowed("GET, POST")
        case (["withdraw"], _): throw Problem.methodNotAllowed("POST")
        default: throw Problem.notFound("There is no page at \(request.rawPath.prefix(200)).")
        }
        return .redirect("/use-policy")
    }

    private func usePolicyPage(
        _ caller: Caller, draft: (text: String, renewDays: String)? = nil, problem: String? = nil
    ) async throws -> Response {
        UsePolicyPage(
            principal: caller.principal, policy: try await identity.usePolicy(),
            signed: try await identity.signatures(), draft: draft, problem: problem
        ).response(files)
    }
}
