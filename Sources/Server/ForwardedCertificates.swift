import Certificates
import HTTPSupport
import IAMPolicy
import NIOHTTP1
import Wire

/// Client certificates that a proxy which ends TLS before the node tells of (RFC 9440): `Client-Cert` and
/// `Client-Cert-Chain`. Only of the proxies that are named: anybody else could send these headers too.
struct ForwardedCertificates: Sendable {
    private let proxies: [IPNetwork]

    /// Certificates of a chain that are looked at.
    private static let chainMax = 8

    init(from proxies: [IPNetwork]) { self.proxies = proxies }

    /// The request with the certificate of its client.
    ///
    /// - Throws: `Problem` where a proxy sends what is no certificate.
    func resolve(_ request: Request) throws(Problem) -> Request {
        guard !proxies.isEmpty, let leaf = request.header("client-cert"),
            let source = IPNetwork(request.connection.remoteAddress), proxies.contains(where: { $0.contains(source) })
        else { return request }
        var others: [[UInt8]] = []
        for one in request.headers["client-cert-chain"].flatMap({ $0.split(separator: ",") }).prefix(Self.chainMax) {
            others.append(try Self.bytes(one))
        }
        var request = request
        request.connection.certificate = PresentedCertificate(der: try Self.bytes(leaf), others: others)
        return request
    }

    /// A byte sequence of a structured field (RFC 8941 §3.3.5): base64 between colons.
    private static func bytes(_ text: some StringProtocol) throws(Problem) -> [UInt8] {
        let text = Substring(text).trimmingSpaces
        guard text.hasPrefix(":"), text.hasSuffix(":"), text.utf8.count > 2,
            let bytes = Base64.decode(String(text.dropFirst().dropLast()))
        else { throw Problem.badRequest("Client-Cert is a certificate's DER in base64, between colons (RFC 9440)") }
        return bytes
    }
}
