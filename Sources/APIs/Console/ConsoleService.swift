package import Catalogue
package import HTTPSupport
package import Identity
package import Journal
package import Ledger
import Logging
import NIOHTTP1
package import Objects
package import OpenID
package import Policy
import Wire

/// The web console: what people see of a node in a browser.
///
/// Pages are whole when they leave the server; the script adds only the moving map and the copy buttons. It answers
/// every path that no other face has.
package struct ConsoleService: Sendable {
    /// Signs the address of an object after asking the gate, for so many seconds.
    package typealias Sign = @Sendable (_ href: String, _ seconds: Int64, _ caller: Caller) async throws -> String

    let catalogue: Catalogue
    let objects: Objects
    let ledger: Ledger
    let journal: Journal
    let gate: Gate
    let authenticator: Authenticator
    let people: People
    let federated: FederatedLogins
    let provider: OpenIDProvider
    let addresses: NodeAddresses
    let sign: Sign
    let files = StaticFiles()
    private let logger = Logger(label: "martlet.console")

    /// - Parameter sign: the signing face's, which targets of one storey do not import.
    package init(
        catalogue: Catalogue, objects: Objects, ledger: Ledger, journal: Journal, gate: Gate,
        authenticator: Authenticator, provider: OpenIDProvider, people: People, federated: FederatedLogins,
        addresses: NodeAddresses, sign: @escaping Sign
    ) {
        self.catalogue = catalogue
        self.objects = objects
        self.ledger = ledger
        self.journal = journal
        self.gate = gate
        self.authenticator = authenticator
        self.people = people
        self.federated = federated
        self.provider = provider
        self.addresses = addresses
        self.sign = sign
    }

    /// Answers `/` and below.
    package func respond(to request: Request, path: [String]) async -> Response {
        if path.count == 2, path[0] == "static", let response = files.response(path[1], request) {
            return secured(response)
        }
        var known: Caller?
        do {
            let caller = try await authenticator.caller(of: request, cookies: true)
            known = caller
            return secured(try await route(request, path, caller), path)
        } catch {
            if let caller = known, let denied = error as? AccessDenied,
                let login = await strongerLogin(denied, request, caller)
            {
                return secured(login, path)
            }
            return secured(failure(error, request, known?.principal), path)
        }
    }

    /// Sends somebody to the login who would be let in after a fresh one with a second factor; nil where that would not
    /// help, or they have none.
    private func strongerLogin(_ denied: AccessDenied, _ request: Request, _ caller: Caller) async -> Response? {
        guard caller.principal.method == .session, let account = caller.principal.accountID, request.method == .GET,
            (try? await identity.hasSecondFactor(account: account)) == true
        else { return nil }
        var stronger = caller
        stronger.principal.authentication = Authentication(factors: [.pwd, .otp, .mfa])
        guard (try? await may(stronger, denied.action, denied.resource)) == true else { return nil }
        return .redirect("/login?prompt=login&acr=mfa&next=" + PercentEncoding.encode(Self.here(request)))
    }

    private static func here(_ request: Request) -> String {
        request.rawPath + (request.rawQuery.isEmpty ? "" : "?" + request.rawQuery)
    }

    /// Where people make and look after passkeys (WebAuthn's `passkey-endpoints`).
    package var passkeyEndpoints: Response {
        var json = JSONWriter()
        json.object {
            guard relyingParty != nil else { return }
            $0.member("enroll", addresses.web + "/account#passkeys")
            $0.member("manage", addresses.web + "/account#passkeys")
        }
        return Response(.ok, type: "application/json", bytes: json.bytes)
    }

    private func route(_ request: Request, _ path: [String], _ caller: Caller) async throws -> Response {
        let isRead = request.method == .GET || request.method == .HEAD
        switch path {
        case ["login"]: return try await login(request, caller, step: nil)
        case ["login", "callback"] where isRead: return try await federationCallback(request, caller)
        case ["login", "backchannel"]: return try await backchannelLogout(request)
        case _ where path.starts(with: ["login", "with"]) && path.count == 3 && isRead:
            return try await logIn(with: path[2], request)
        case _ where path.first == "login" && path.count == 2:
            return try await login(request, caller, step: path[1])
        case _ where path.first == "account":
            return try await account(request, caller, path: Array(path.dropFirst()))
        case _ where ["register", "reset", "invitation", "registrations"].contains(path.first):
            return try await register(request, caller, path: path)
        case _ where path.first == "groups":
            return try await groups(request, caller, path: Array(path.dropFirst()))
        case ["agreement"]: return try await agreement(request, caller)
        case _ where path.first == "use-policy":
            return try await usePolicy(request, caller, path: Array(path.dropFirst()))
        case ["logout"]:
            guard isRead || request.method == .POST else { throw Problem.methodNotAllowed("GET, POST") }
            return isRead ? logoutForm(request, caller) : try await logout(request)
        case ["consent"], ["device"]:
            guard isRead || request.method == .POST else { throw Problem.methodNotAllowed("GET, POST") }
            guard !caller.principal.isAnonymous else { return loginFirst(request) }
            return path == ["consent"]
                ? try await consent(request, caller, isAnswer: !isRead)
                : try await device(request, caller, isAnswer: !isRead)
        default: break
        }
        let pages =
            [[], ["open"], ["collections"], ["audit"], ["access"]].contains(path)
            || path.first == "collections" && [2, 4].contains(path.count)
        // No name has a NUL, and neither engine can compare one.
        guard pages, path.count < 4 || path[2] == "items", !path.contains(where: { $0.utf8.contains(0) }) else {
            throw Problem.notFound("There is no page at \(request.rawPath.prefix(200)).")
        }
        guard isRead else { throw Problem.methodNotAllowed("GET, HEAD") }
        guard !caller.principal.isAnonymous else { return loginFirst(request) }
        guard let query = request.query else { throw Problem.badRequest("The address is not valid percent-encoding.") }
        switch path.count {
        case 4: return try await item(path[1], path[3], caller)
        case 2: return try await collection(path[1], query, caller)
        case 1 where path == ["audit"]: return try await audit(query, caller)
        case 1 where path == ["access"]: return try await access(query, caller)
        case 1 where path == ["open"]: return try await open(query, caller)
        case 1: return .redirect("/", .movedPermanently)
        default: return try await home(query, caller)
        }
    }

    private func loginFirst(_ request: Request) -> Response {
        .redirect(Link.login(next: Self.here(request)))
    }

    /// Sends the browser on to a file, with an address that is signed only now.
    private func open(_ query: QueryItems, _ caller: Caller) async throws -> Response {
        guard let href = query["href"], addresses.isLocal(href), !href.contains("%00"), !href.utf8.contains(0) else {
            throw Problem.badRequest(
                "The parameter 'href' is an address on \(addresses.s3), as an item's files have it.")
        }
        // Long enough for a large file to begin, and for a browser that asks again for a range.
        var response = Response.redirect(try await sign(href, 3600, caller))
        // The page that shows the picture again need not have it signed again.
        response.headers.add(name: "Cache-Control", value: "private, max-age=300")
        return response
    }

    // MARK: Answers

    private func failure(_ error: any Error, _ request: Request, _ principal: Principal?) -> Response {
        var problem: Problem
        if let denied = error as? AccessDenied {
            problem = .forbidden("You may not do \(denied.action) on \(denied.resource): \(denied.reason)")
        } else if let known = Problem(error) {
            problem = known
        } else {
            logger.error("\(request.method) \(request.rawPath) [\(request.id)]: \(error)")
            problem = Problem(
                .internalServerError, "internal", "The request failed inside the server; it is logged as \(request.id)."
            )
        }
        // Programs that ask for nothing in particular get a problem that they can read.
        guard request.header("accept")?.contains("text/html") == true else { return problem.response }
        return ErrorPage(problem: problem, principal: principal, requestID: request.id).response(files)
    }

    /// What every answer says to the browser: nothing runs or loads that is not the node's own, and nobody frames it.
    /// Pictures come from the S3 port. The policy on referrers keeps `Origin` on forms, by which they are told from
    /// foreign ones.
    ///
    /// From the login and from what follows it the way may lead on to an application, and browsers hold the policy on
    /// forms against that as well.
    private func secured(_ response: Response, _ path: [String] = []) -> Response {
        var response = response
        let leadsOn = ["login", "logout", "consent"].contains(path.first)
        let policy = """
            default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' \(addresses.s3); \
            connect-src 'self'; \(leadsOn ? "" : "form-action 'self'; ")base-uri 'none'; frame-ancestors 'none'
            """
        response.headers.replaceOrAdd(name: "Content-Security-Policy", value: policy)
        response.headers.replaceOrAdd(name: "Referrer-Policy", value: "same-origin")
        response.headers.replaceOrAdd(name: "X-Content-Type-Options", value: "nosniff")
        return response
    }
}
