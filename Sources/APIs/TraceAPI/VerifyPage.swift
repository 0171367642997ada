import Ciphers
import HTTPSupport
import NIOHTTP1
import Wire

/// The page that verifies files in the browser: one document that needs nothing else, so that it can be kept and opened
/// from a disk too.
enum VerifyPage {
    private static let bytes = PackageResources.verify_html

    /// Only its own script and style run, and only this node is asked.
    private static let policy: String = {
        let text = String(decoding: bytes, as: UTF8.self)
        func digest(_ tag: String) -> String {
            guard let start = text.firstRange(of: "<\(tag)>"), let end = text.firstRange(of: "</\(tag)>") else {
                return ""
            }
            return Base64.encode(DigestAlgorithm.sha256.hash(Array(text[start.upperBound..<end.lowerBound].utf8)))
        }
        return """
            default-src 'none'; script-src 'sha256-\(digest("script"))'; style-src 'sha256-\(digest("style"))'; \
            connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'
            """
    }()

    static var response: Response {
        Response(
            .ok, type: "text/html; charset=utf-8", bytes: bytes,
            headers: [
                "Content-Security-Policy": policy, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
            ])
    }
}
