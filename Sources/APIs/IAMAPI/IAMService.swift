import Ciphers
package import HTTPSupport
import Identity
import Logging
import NIOHTTP1
package import Policy
import SigV4
import Wire

/// AWS's IAM and STS (Query protocol) on the S3 port: accounts are users, and sessions have temporary credentials.
///
/// Every action is asked of the gate under its own name, `iam:CreateUser` and so on, but for those of STS that speak of
/// the caller alone.
package struct IAMService: Sendable {
    let identity: Identity
    let policies: Policies
    let gate: Gate
    let sessions: RoleSessions
    let authenticator: Authenticator
    private let logger = Logger(label: "martlet.iam")

    /// Largest body taken: a policy of 20 KiB, every byte of it percent-encoded, and a token.
    private static let bodyBytesMax = 128 << 10

    package init(policies: Policies, gate: Gate, sessions: RoleSessions, authenticator: Authenticator) {
        identity = authenticator.identity
        self.policies = policies
        self.gate = gate
        self.sessions = sessions
        self.authenticator = authenticator
    }

    /// Whether a request to the S3 port is for this face: a form posted to its root, or a query that names an action.
    package static func accepts(_ request: Request) -> Bool {
        guard request.rawPath == "/" || request.rawPath.isEmpty else { return false }
        switch request.method {
        case .POST: return request.header("content-type")?.lowercased().hasPrefix(formType) == true
        case .GET: return request.query?.has("Action") == true
        default: return false
        }
    }

    private static let formType = "application/x-www-form-urlencoded"

    package func respond(to request: Request) async -> Response {
        var service = Operation.Service.iam
        var response: Response
        do {
            let body = try await request.body.collect(upTo: Self.bodyBytesMax)
            let form = try Self.form(request, body)
            if form["Version"] == Operation.Service.sts.version { service = .sts }
            let operation = try Operation.find(form)
            service = operation.service
            let parameters = try Parameters(form, of: operation)
            let caller = try await caller(of: request, body, operation)
            let call = Call(operation: operation, parameters: parameters, caller: caller, gate: gate)
            response = Self.render(operation, try await operation.perform(self, call), request)
        } catch {
            let known = IAMError(error, service)
            if known == nil || known?.code == .internalFailure {
                logger.error("\(request.method) \(request.rawPath) [\(request.id)]: \(error)")
            }
            let failure = IAMError(
                .internalFailure, "the request failed inside the server; it is logged as \(request.id)")
            response = (known ?? failure).response(service, request)
        }
        response.headers.add(name: "x-amzn-RequestId", value: request.id)
        response.headers.add(name: "Cache-Control", value: "no-store")
        return response
    }

    private static func form(_ request: Request, _ body: [UInt8]) throws -> QueryItems {
        if request.method == .GET {
            guard let query = request.query else {
                throw IAMError(.malformedQueryString, "the query is not valid percent-encoding")
            }
            // What belongs to the signature is no parameter of the action.
            return QueryItems(query.items.filter { !$0.name.hasPrefix("X-Amz-") })
        }
        guard let text = String(validating: body, as: UTF8.self), let form = QueryItems(parsing: text) else {
            throw IAMError(.malformedQueryString, "the form is not valid percent-encoding")
        }
        return form
    }

    private func caller(of request: Request, _ body: [UInt8], _ operation: Operation) async throws -> Caller {
        // The token is the proof; whatever else came with the request does not count.
        guard !operation.isUnsigned else {
            return Caller(
                principal: .anonymous,
                context: RequestContext(
                    address: request.connection.remoteAddress, isSecure: request.connection.isSecure))
        }
        let hash = Hex.encode(DigestAlgorithm.sha256.hash(body))
        let caller: Caller
        do {
            caller = try await authenticator.caller(of: request, service: operation.service.rawValue, bodyHash: hash)
        } catch let error as IdentityError {
            throw IAMError(authentication: error)
        }
        guard !caller.principal.isAnonymous else {
            throw IAMError(.missingAuthenticationToken, "the request is neither signed nor does it have a token")
        }
        if let payload = caller.signature?.authorization.payload {
            // What is asked for stands in the body, so it must be part of what was signed.
            guard payload == .absent || payload == .sha256(hash) else {
                throw IAMError(.signatureDoesNotMatch, "the signature has to cover the body: its SHA-256 is \(hash)")
            }
        }
        return caller
    }

    /// `<CreateUserResponse><CreateUserResult>…`.
    private static func render(_ operation: Operation, _ result: Fields?, _ request: Request) -> Response {
        var xml = XMLWriter()
        xml.open(named: operation.name + "Response", namespace: operation.service.namespace)
        if let result { xml.element(named: operation.name + "Result") { result(&$0) } }
        xml.element("ResponseMetadata") { $0.element("RequestId", request.id) }
        xml.close(named: operation.name + "Response")
        return Response(.ok, type: "text/xml", bytes: xml.bytes)
    }
}

/// Writes what an action answers.
typealias Fields = (inout XMLWriter) -> Void
