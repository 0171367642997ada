import HTTPSupport
import Identity
import NIOHTTP1
import OpenID
import WebAuthn
import Wire

/// What a person does with their own account.
extension ConsoleService {
    /// How long ago somebody may have logged in who changes how they log in.
    private static let recentSeconds: Int64 = 900

    /// Errors that people can do something about on their account's page.
    private static let correctable: [IdentityError.Code] = [
        .weakPassword, .invalidName, .invalidCredentials, .rateLimited, .limit, .exists, .expired, .conflict, .notFound,
        .unreachable,
    ]

    /// Parts of the account where nothing is given, only ended.
    private static let takesBack: Set<String> = ["sessions", "applications", "jobs"]

    /// `/account` and below.
    func account(_ request: Request, _ caller: Caller, path: [String]) async throws -> Response {
        let isRead = request.method == .GET || request.method == .HEAD
        // A token is not a person who looks at a page.
        guard caller.principal.method == .session else {
            return .redirect(Link.login(next: isRead ? request.rawPath : "/account"))
        }
        if isRead {
            if path == ["codes"] { return try await codes(caller) }
            if path.count == 2, path[0] == "email" { return confirmEmailPage(path[1], caller) }
            guard path.isEmpty else { throw Problem.methodNotAllowed("POST") }
            return try await accountPage(caller, done: request.query?["done"].flatMap(Self.sentence))
        }
        guard request.method == .POST, !path.isEmpty else { throw Problem.methodNotAllowed("GET, POST") }
        try requireOwnForm(request)
        let form = try await request.form()
        let isHarmless = path == ["details"] || path == ["password"] || Self.takesBack.contains(path[0])
        guard isHarmless || isRecent(caller) else {
            return .redirect("/login?prompt=login&next=" + PercentEncoding.encode("/account#" + path[0]))
        }
        do {
            return try await change(path, form, request, caller)
        } catch let error as IdentityError
            where Self.correctable.contains(error.code)
        {
            return try await accountPage(caller, problem: error.message)
        } catch let error as WebAuthnError {
            return try await accountPage(caller, problem: error.message)
        }
    }

    /// Whether somebody has only just proved who they are.
    private func isRecent(_ caller: Caller) -> Bool {
        guard let time = caller.principal.authentication?.time else { return false }
        return Timestamp.now.seconds - time.seconds < Self.recentSeconds
    }

    private func change(
        _ path: [String], _ form: QueryItems, _ request: Request, _ caller: Caller
    ) async throws -> Response {
        let name = caller.principal.name
        switch path.count == 3 ? [path[0], "*", path[2]] : path {
        case ["details"]:
            try await identity.setDetails(displayName: form["displayName"] ?? "", of: name, by: name)
            return done("details", "saved")
        case ["email"]:
            try await people.requestEmail(form["email"] ?? "", of: name)
            return done("details", "email")
        case ["email", "*", "confirm"]:
            try await people.confirmEmail(path[1], of: name)
            return done("details", "confirmed")
        case ["password"]:
            try await identity.checkOwnPassword(
                form["old"] ?? "", of: name, address: request.connection.remoteAddress)
            try await identity.setPassword(
                form["new"] ?? "", of: name, keeping: caller.principal.authentication?.sessionID, by: name)
            return done("password", "password")
        case ["passkeys"]:
            try await addPasskey(form, name)
            return done("passkeys", "passkey")
        case ["passkeys", "require"]:
            let codes = try await identity.requirePasskey(of: name, by: name)
            return codes.isEmpty ? done("passkeys", "required") : backupCodes(codes, caller)
        case ["passkeys", "waive"]:
            try await identity.waivePasskey(of: name, by: name)
            return done("passkeys", "waived")
        case ["passkeys", "*", "remove"]:
            try await identity.removePasskey(path[1], of: name, by: name)
            return done("passkeys", "removed")
        case ["codes"]:
            _ = try await identity.prepareOneTimePassword(of: name)
            return .redirect("/account/codes")
        case ["codes", "confirm"]: return try await confirmCodes(form, caller)
        case ["codes", "backup"]:
            return backupCodes(try await identity.renewBackupCodes(of: name, by: name), caller)
        case ["codes", "remove"]:
            try await identity.removeOneTimePassword(of: name, by: name)
            return done("codes", "removed")
        case ["app-passwords"]:
            let day = form["ends"] ?? ""
            let ends = Timestamp(rfc3339: day + "T00:00:00Z")
            guard day.isEmpty || ends != nil else {
                throw Problem.badRequest("'\(day.prefix(40))' is no day: write it like 2027-03-31.")
            }
            let made = try await identity.createAppPassword(
                account: name, description: form["for"] ?? "", ends: ends, by: name)
            return SecretPage(
                principal: caller.principal, title: "Your new app password",
                advice: "Give it to the program together with your login name, \(name). It is shown only now.",
                secrets: [("", made.password)]
            ).response(files)
        case ["app-passwords", "*", "remove"]:
            guard try await identity.owner(ofAppPassword: path[1]) == name else { throw Self.notYours }
            try await identity.deleteAppPassword(path[1], by: name)
            return done("app-passwords", "removed")
        case ["keys"]:
            let made = try await identity.createAccessKey(account: name, description: form["key-for"] ?? "", by: name)
            return SecretPage(
                principal: caller.principal, title: "Your new access key",
                advice: "The secret is shown only now.",
                secrets: [("Access key", made.id), ("Secret", made.secret)]
            ).response(files)
        case ["keys", "*", "remove"]:
            guard try await identity.owner(ofKey: path[1]) == name else { throw Self.notYours }
            try await identity.deleteAccessKey(path[1], by: name)
            return done("keys", "removed")
        case ["links", "remove"]:
            try await identity.unlink(
                issuer: form["issuer"] ?? "", subject: form["subject"] ?? "", of: name, by: name)
            return done("links", "removed")
        case _ where path.count == 2 && path[0] == "links": return try await link(path[1], request, caller)
        case ["applications", "remove"]:
            try await provider.withdraw(client: form["client"] ?? "", of: name, by: name)
            return done("applications", "withdrawn")
        case ["jobs", "*", "end"]:
            try await provider.revokeJobs(path[1], of: name, by: name)
            return done("jobs", "ended")
        case ["sessions", "end"]:
            try await identity.endSessions(of: name, except: caller.principal.authentication?.sessionID, by: name)
            return done("sessions", "ended")
        case ["sessions", "*", "end"]:
            try await identity.endSession(id: path[1], of: name, by: name)
            return done("sessions", "ended")
        default: throw Problem.notFound("There is no page at \(request.rawPath.prefix(200)).")
        }
    }

    private static let notYours = IdentityError(.notFound, "you have none of that name")

    private func addPasskey(_ form: QueryItems, _ name: String) async throws {
        guard let party = relyingParty else {
            throw Problem.badRequest("Passkeys need a node that has a host name and https.")
        }
        let registration = try Registration(
            clientData: Base64.decode(form["clientData"] ?? "") ?? [],
            attestation: Base64.decode(form["attestation"] ?? "") ?? [], by: party)
        try await identity.addPasskey(registration, description: form["description"] ?? "", to: name, by: name)
    }

    /// A button, since programs that look through mail follow addresses but press no buttons.
    private func confirmEmailPage(_ ticket: String, _ caller: Caller) -> Response {
        Page("Confirm your address", caller.principal).response(files) { html in
            html.element("div", .class("login")) { html in
                html.element("h1", text: "Confirm your address")
                html.form("/account/email/\(PercentEncoding.encode(ticket))/confirm") { $0.submit("Confirm") }
            }
        }
    }

    // MARK: Codes

    private func codes(_ caller: Caller, problem: String? = nil) async throws -> Response {
        guard isRecent(caller), let secret = try await identity.preparedOneTimePassword(of: caller.principal.name)
        else { return .redirect("/account#codes") }
        return CodesPage(
            principal: caller.principal, secret: secret, issuer: Link.host(of: addresses.web), problem: problem
        ).response(files)
    }

    private func confirmCodes(_ form: QueryItems, _ caller: Caller) async throws -> Response {
        do {
            let name = caller.principal.name
            return backupCodes(
                try await identity.confirmOneTimePassword(form["code"] ?? "", of: name, by: name), caller)
        } catch let error as IdentityError where error.code == .invalidCredentials {
            return try await codes(caller, problem: "That is not the code that the app shows now.")
        }
    }

    private func backupCodes(_ codes: [String], _ caller: Caller) -> Response {
        SecretPage(
            principal: caller.principal, title: "Your backup codes",
            advice:
                "Each opens your account once, in place of a code of the app. Print them or write them down: they are "
                + "shown only now.",
            secrets: [("", codes.joined(separator: "\n"))]
        ).response(files)
    }

    // MARK: The page

    private func done(_ section: String, _ what: String) -> Response {
        .redirect("/account?done=\(what)#\(section)")
    }

    private static func sentence(_ done: String) -> String? {
        switch done {
        case "saved": "Saved."
        case "password": "The password was changed, and your other sessions have ended."
        case "passkey": "The passkey was added: you can log in with it now."
        case "removed": "Removed."
        case "required": "From now on a passkey is asked for after your password."
        case "waived": "Your password is enough again."
        case "ended": "Ended."
        case "withdrawn": "The application can do nothing in your name any more."
        case "linked": "The login was added: you can log in with it now."
        case "email": "A letter is on its way: follow what it says within a day."
        case "confirmed": "The address was confirmed."
        default: nil
        }
    }

    private func accountPage(
        _ caller: Caller, done: String? = nil, problem: String? = nil
    ) async throws -> Response {
        let name = caller.principal.name
        var offer: AccountPage.PasskeyOffer?
        if let party = relyingParty {
            let request = try await identity.passkeyRequest(of: name)
            offer = AccountPage.PasskeyOffer(
                party: party, user: request.user, known: request.known, challenge: request.challenge)
        }
        return AccountPage(
            principal: caller.principal, account: try await identity.account(name),
            secondFactor: try await identity.secondFactor(of: name), passkeys: try await identity.passkeys(of: name),
            offer: offer, appPasswords: try await identity.appPasswords(account: name),
            keys: try await identity.accessKeys(account: name), sessions: try await identity.sessions(of: name),
            links: try await identity.links(of: name), providers: try await identity.providers(),
            signature: try await identity.usePolicy() == nil ? nil : try await identity.signature(of: name),
            applications: try await provider.applications(of: name),
            jobs: try await provider.jobGrants(of: name, limit: AccountPage.jobsMax).filter { !$0.isRevoked },
            groups: caller.principal.groups, canChangeEmail: people.sendsMail, done: done, problem: problem
        ).response(files)
    }
}
