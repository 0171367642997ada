import HTTPSupport
import NIOHTTP1
import Notifications
import Wire

// The link in letters by which their reader stops them, without a login: its token shows that they have the letter.
extension NotificationService {
    /// `GET` asks, so that no program that looks at links for viruses stops anything; `POST` stops.
    func stop(_ id: String, _ request: Request) async throws -> Response {
        try await authenticator.admit(request)
        let token = request.query?["token"] ?? ""
        switch request.method {
        case .GET, .HEAD: return Self.page("Hear no more of this?") { $0.raw(Self.button) }
        case .POST:
            try await notifications.stop(id, token: token)
            return Self.page("You hear no more of this.") { html in
                html.raw("<p>What you have subscribed to is on <a href=\"/\">this node</a>.</p>")
            }
        default: throw Problem.methodNotAllowed("GET, HEAD, POST")
        }
    }

    private static let button: StaticString = """
        <p>No more letters will be written for this subscription.</p>
        <form method="post"><button type="submit">Stop the letters</button></form>
        """

    private static let style: StaticString = """
        :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
        body { max-width: 32rem; margin: 15vh auto; padding: 0 1rem }
        h1 { font-size: 1.4rem; line-height: 1.3 }
        button { font: inherit; padding: .5rem 1rem }
        """

    private static func page(_ title: StaticString, _ body: (inout HTML) -> Void) -> Response {
        var html = HTML(capacity: 2048)
        html.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>")
        html.raw(title)
        html.raw("</title><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>")
        html.raw(style)
        html.raw("</style></head><body><h1>")
        html.raw(title)
        html.raw("</h1>")
        body(&html)
        html.raw("</body></html>")
        return Response(
            .ok, type: "text/html; charset=utf-8", bytes: html.bytes,
            headers: [
                "Content-Security-Policy":
                    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
                "Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer",
            ])
    }
}
