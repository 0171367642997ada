import Authority
import Certificates
import HTTPSupport
import NIOHTTP1
import Wire

/// Orders, and what they ask for.
extension ACMEService {
    /// Orders on one page of an account's list.
    private static let pageMax = 100

    func newOrder(_ account: ACMEAccount, _ message: SignedMessage) async throws -> Response {
        let body = try message.object()
        guard body["notBefore"] == nil, body["notAfter"] == nil else {
            throw ACMEError(.malformed, "how long a certificate is valid is said when the account's key is made")
        }
        let hosts = try (body["identifiers"]?.array ?? []).map { identifier in
            guard ["dns", "ip"].contains(identifier["type"]?.string), let value = identifier["value"]?.string else {
                throw ACMEError(.unsupportedIdentifier, "identifiers are of the types dns and ip")
            }
            return value
        }
        let order = try await authority.createOrder(account, hosts: hosts, by: validation)
        var response = answer(order)
        response.status = .created
        return response
    }

    func orders(_ account: ACMEAccount, _ after: String?) async throws -> Response {
        let page = try await authority.orders(of: account, after: after ?? "", limit: Self.pageMax)
        var json = JSONWriter()
        json.object { $0.member("orders", page.map { "\(base)/order/\($0)" }) }
        var response = Response(.ok, type: "application/json", bytes: json.bytes)
        if page.count == Self.pageMax, let last = page.last {
            response.headers.add(name: "Link", value: "<\(base)/account/\(account.id)/orders/\(last)>;rel=\"next\"")
        }
        return response
    }

    func finalize(_ id: String, _ account: ACMEAccount, _ message: SignedMessage) async throws -> Response {
        let order = try await authority.order(id, of: account)
        guard let der = try message.object()["csr"]?.string.flatMap({ Base64.decode($0) }) else {
            throw ACMEError(.badCSR, "the member 'csr' is a request's DER in base64url")
        }
        let request: CertificateRequest
        do {
            request = try CertificateRequest(pemOrDER: der)
        } catch {
            throw ACMEError(.badCSR, error.message)
        }
        try await authority.finalize(order, request, of: account)
        return answer(try await authority.order(id, of: account))
    }

    func authorization(_ id: String, _ account: ACMEAccount, _ message: SignedMessage) async throws -> Response {
        var step = try await authority.authorization(id, of: account)
        if !message.payload.isEmpty, try message.object()["status"]?.string == "deactivated" {
            try await authority.deactivate(step, of: account)
            step = try await authority.authorization(id, of: account)
        }
        var json = JSONWriter()
        json.object { json in
            json.key("identifier")
            json.object { Self.identifier(step.name, &$0) }
            json.member("status", step.status.rawValue)
            json.member("expires", step.expires.rfc3339)
            if step.isWildcard { json.member("wildcard", true) }
            json.key("challenges")
            json.array { json in
                for one in validation.challenges(step) { json.object { write(one, of: step, &$0) } }
            }
        }
        return Response(.ok, type: "application/json", bytes: json.bytes)
    }

    /// Looks at a challenge when its client says that it can be met. The answer comes when that is known.
    func challenge(
        _ id: String, _ type: String, _ account: ACMEAccount, _ message: SignedMessage
    ) async throws -> Response {
        var step = try await authority.authorization(id, of: account)
        guard let challenge = ACMEChallenge(rawValue: type), validation.challenges(step).contains(challenge) else {
            throw ACMEError(.notFound, "there is no such challenge for \(step.host)")
        }
        if !message.payload.isEmpty {
            _ = try message.object()
            try await authority.validate(step, challenge, of: account, by: validation)
            step = try await authority.authorization(id, of: account)
        }
        var json = JSONWriter()
        json.object { write(challenge, of: step, &$0) }
        return Response(
            .ok, type: "application/json", bytes: json.bytes,
            headers: ["Link": "<\(base)/authorization/\(id)>;rel=\"up\""])
    }

    private func write(_ challenge: ACMEChallenge, of step: ACMEAuthorization, _ json: inout JSONWriter) {
        json.member("type", challenge.rawValue)
        json.member("url", "\(base)/challenge/\(step.id)/\(challenge.rawValue)")
        json.member("token", step.token)
        json.member("status", step.status == .deactivated ? "invalid" : step.status.rawValue)
        if step.status == .valid, let time = step.validated { json.member("validated", time.rfc3339) }
        if let error = step.error { Self.error(error, &json) }
    }

    private static func identifier(_ host: String, _ json: inout JSONWriter) {
        json.member("type", AlternativeNames.isAddress(host) ? "ip" : "dns")
        json.member("value", host)
    }

    /// What was kept of an error: its code, a space, and the sentence.
    private static func error(_ text: String, _ json: inout JSONWriter) {
        json.key("error")
        json.object {
            $0.member("type", "urn:ietf:params:acme:error:" + text.prefix { $0 != " " })
            $0.member("detail", String(text.drop { $0 != " " }.dropFirst()))
        }
    }

    func answer(_ order: ACMEOrder) -> Response {
        var json = JSONWriter()
        json.object { json in
            json.member("status", order.status.rawValue)
            json.member("expires", order.expires.rfc3339)
            json.key("identifiers")
            json.array { json in for host in order.hosts { json.object { Self.identifier(host, &$0) } } }
            json.member("authorizations", order.authorizations.map { "\(base)/authorization/\($0)" })
            json.member("finalize", "\(base)/order/\(order.id)/finalize")
            if order.certificate != nil { json.member("certificate", "\(base)/certificate/\(order.id)") }
            if let error = order.error { Self.error(error, &json) }
        }
        return Response(
            .ok, type: "application/json", bytes: json.bytes, headers: ["Location": "\(base)/order/\(order.id)"])
    }
}
