import HTTPSupport
import NIOHTTP1

/// The form in which people say who they are.
struct LoginPage {
    /// Where to go afterwards; a path of this node.
    let next: String
    var name = ""
    /// What was wrong with the attempt before.
    var problem: String?
    var status: HTTPResponseStatus = .ok
    var headers: HTTPHeaders = [:]

    init(next: String) { self.next = next }

    func response(_ files: StaticFiles) -> Response {
        var page = Page("Log in", nil)
        page.status = status
        page.headers = headers
        return page.response(files) { html in
            html.element("form", .class("login"), .set("method", "post"), .set("action", "/login")) { html in
                html.element("h1", text: "Log in")
                if let problem { html.element("p", .class("problem"), .set("role", "alert"), text: problem) }
                html.void("input", .set("type", "hidden"), .set("name", "next"), .set("value", next))
                html.element("label", .set("for", "name"), text: "Name")
                html.void(
                    "input", .id("name"), .set("name", "name"), .set("value", name), .set("autocomplete", "username"),
                    .set("autocapitalize", "none"), .set("spellcheck", "false"), .flag("required"),
                    .flag("autofocus", name.isEmpty))
                html.element("label", .set("for", "password"), text: "Password")
                html.void(
                    "input", .id("password"), .set("name", "password"), .set("type", "password"),
                    .set("autocomplete", "current-password"), .flag("required"), .flag("autofocus", !name.isEmpty))
                html.element("button", .set("type", "submit"), text: "Log in")
            }
        }
    }
}
