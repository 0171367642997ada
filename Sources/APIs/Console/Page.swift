import HTTPSupport
import Identity
import NIOHTTP1

/// The frame of every page: head, header with the way home, main part, footer.
struct Page {
    let title: String
    /// Who is logged in; nil on pages for anybody.
    var principal: Principal?
    var hasMap = false
    var status: HTTPResponseStatus = .ok
    var headers: HTTPHeaders = [:]

    /// - Parameter problem: what was wrong with what was sent; the page itself shows it.
    init(_ title: String, _ principal: Principal?, problem: String? = nil) {
        self.title = title
        self.principal = principal
        if problem != nil { status = .badRequest }
    }

    /// The answer with `body` as the main part.
    func response(_ files: StaticFiles, _ body: (inout HTML) throws -> Void) rethrows -> Response {
        var html = HTML()
        html.raw("<!doctype html>\n")
        try html.element("html", .set("lang", "en")) { html in
            html.element("head") { writeHead(files, &$0) }
            try html.element("body") { html in
                html.raw("<a class=\"skip\" href=\"#main\">Skip to the content</a>")
                html.element("header", .class("top")) { writeHeader(&$0) }
                try html.element("main", .id("main"), body: body)
                html.element("footer", .class("bottom")) { html in
                    html.raw("<span>Martlet</span> <a href=\"/stac\">STAC catalogue</a> ")
                    html.raw("<a href=\"/traces/log/checkpoint\">Log checkpoint</a> ")
                    html.raw("<span>World outline: Natural Earth</span>")
                }
            }
        }
        var response = Response(status, type: "text/html; charset=utf-8", bytes: html.bytes)
        // A page is one person's: nothing between the node and the browser keeps it.
        response.headers.replaceOrAdd(name: "Cache-Control", value: "private, no-store")
        for header in headers { response.headers.replaceOrAdd(name: header.name, value: header.value) }
        return response
    }

    private func writeHead(_ files: StaticFiles, _ html: inout HTML) {
        html.raw("<meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
        html.raw("<meta name=\"color-scheme\" content=\"light dark\">")
        html.element("title", text: title == "Martlet" ? title : title + " - Martlet")
        html.void("link", .set("rel", "icon"), .set("type", "image/svg+xml"), .href(StaticFiles.mark.path))
        if hasMap, files.hasLeaflet { html.void("link", .set("rel", "stylesheet"), .href(files.leafletCSS)) }
        html.void("link", .set("rel", "stylesheet"), .href(StaticFiles.style.path))
        if hasMap, files.hasLeaflet { html.element("script", .src(files.leafletScript), .flag("defer")) { _ in } }
        html.element(
            "script", .src(StaticFiles.script.path), .set("data-world", StaticFiles.worldJSON.path), .flag("defer")
        ) { _ in }
    }

    private func writeHeader(_ html: inout HTML) {
        html.element("a", .class("home"), .href("/")) { html in
            html.raw(Mark.svg)
            html.raw("<span>Martlet</span>")
        }
        guard let principal, !principal.isAnonymous else { return }
        // On a narrow screen a menu, which the browser opens and closes by itself.
        html.raw("<button class=\"quiet menu\" type=\"button\" popovertarget=\"menu\">Menu</button>")
        html.raw("<nav id=\"menu\" popover aria-label=\"Main\">")
        html.raw("<a href=\"/\">Collections</a> <a href=\"/groups\">Groups</a>")
        if principal.groups.contains(administrators) {
            html.raw(" <a href=\"/registrations\">Registrations</a> <a href=\"/use-policy\">Agreement</a>")
            html.raw(" <a href=\"/audit\">Audit</a> <a href=\"/access\">Access</a>")
        }
        html.raw("</nav>")
        html.element("form", .class("account"), .set("method", "post"), .set("action", "/logout")) { html in
            html.element(
                "a", .class("who"), .href("/account"), .set("title", "Your account, \(principal.name)"),
                text: principal.name)
            html.raw("<button class=\"quiet\" type=\"submit\">Log out</button>")
        }
    }
}
