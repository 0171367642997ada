import HTTPSupport
import Identity
import NIOHTTP1

/// A problem in the look of the console, with a way on.
struct ErrorPage {
    let problem: Problem
    let principal: Principal?
    /// The request's name in the log.
    let requestID: String

    func response(_ files: StaticFiles) -> Response {
        var page = Page(heading, principal)
        page.status = problem.status
        page.headers = problem.headers
        return page.response(files) { html in
            html.element("div", .class("empty")) { html in
                html.element("p", .class("code"), text: "\(problem.status.code)")
                html.element("h1", text: heading)
                html.element("p", .class("lead"), text: detail)
                if problem.status == .forbidden {
                    html.element(
                        "p",
                        text:
                            "If you should have this right, show this page to the node's administrators: the line "
                            + "above names the action, the resource and the reason.")
                }
                html.element("p") { $0.element("a", .class("button"), .href("/"), text: "To the collections") }
                html.element("p", .class("sub"), text: "Request \(requestID)")
            }
        }
    }

    /// Core's messages begin small and have no full stop, so that they fit into others.
    private var detail: String {
        let text = problem.detail.prefix(1).uppercased() + problem.detail.dropFirst()
        return text.hasSuffix(".") ? text : text + "."
    }

    private var heading: String {
        switch problem.status {
        case .forbidden, .unauthorized: "You may not see this"
        case .notFound: "There is nothing here"
        case .tooManyRequests: "Too many attempts"
        case .badRequest: "That address is not complete"
        case .methodNotAllowed: "That cannot be done here"
        case .serviceUnavailable: "Not available just now"
        case .internalServerError: "Something failed on the node"
        default: problem.status.reasonPhrase
        }
    }
}
