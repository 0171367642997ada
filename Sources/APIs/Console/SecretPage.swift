import HTTPSupport
import Identity
import NIOHTTP1
import Wire

/// Something that is shown this once, with what to do with it.
struct SecretPage {
    let principal: Principal
    let title: String
    let advice: String
    /// Each with a label; the label is empty where there is only one.
    let secrets: [(label: String, value: String)]

    func response(_ files: StaticFiles) -> Response {
        Page(title, principal).response(files) { html in
            html.element("div", .class("empty")) { html in
                html.element("h1", text: title)
                html.element("p", .class("lead"), text: advice)
                for (label, value) in secrets {
                    if !label.isEmpty { html.element("h2", text: label) }
                    html.command(value)
                }
                html.element("p") { $0.element("a", .class("button"), .href("/account"), text: "Done") }
            }
        }
    }
}

/// Sets up codes of an app: the picture that it reads, and the first code.
struct CodesPage {
    let principal: Principal
    /// In base32.
    let secret: String
    /// The node, as the app shows it.
    let issuer: String
    var problem: String?

    func response(_ files: StaticFiles) -> Response {
        Page("Codes of an app", principal, problem: problem).response(files) { html in
            html.element("div", .class("empty")) { html in
                html.element("h1", text: "Set up codes")
                html.problem(problem)
                html.element(
                    "p", .class("lead"),
                    text: "Read this picture with an app for codes, then type the six digits that it shows.")
                if let code = QRCode(address) {
                    let size = String(code.size + 8)
                    html.element(
                        "svg", .class("code-picture"), .set("viewBox", "-4 -4 \(size) \(size)"),
                        .set("width", String((code.size + 8) * 5)), .set("shape-rendering", "crispEdges"),
                        .set("role", "img"),
                        .set("aria-label", "The key below, as a picture")
                    ) { html in
                        html.element(
                            "rect", .set("x", "-4"), .set("y", "-4"), .set("width", size), .set("height", size),
                            .set("fill", "#fff")
                        ) { _ in }
                        html.element("path", .set("d", code.path), .set("fill", "#000")) { _ in }
                    }
                }
                html.element("p", text: "Or give it this key:")
                html.command(grouped)
                html.form("/account/codes/confirm") { html in
                    html.field("Code", "code", complete: "one-time-code", isFocused: true)
                    html.submit("Switch codes on")
                }
                html.element("p", .class("links")) { $0.element("a", .href("/account#codes"), text: "Not now") }
            }
        }
    }

    /// The key URI that apps read.
    private var address: String {
        let label = Link.escaped(issuer) + ":" + Link.escaped(principal.name)
        return "otpauth://totp/\(label)?secret=\(secret)&issuer=\(Link.escaped(issuer))"
    }

    private var grouped: String {
        var out = ""
        for (index, letter) in secret.enumerated() {
            if index > 0, index % 4 == 0 { out.append(" ") }
            out.append(letter)
        }
        return out
    }
}
