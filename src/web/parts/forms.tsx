/** What forms have in common. */

import type { View } from "../context.ts";

/** In every form that changes anything: see readForm in session.ts. */
export function FormToken({ view }: { view: View }) {
  return <input type="hidden" name="form" value={view.formToken} />;
}

interface ChoiceProps {
  name: string;
  label: string;
  /** Each value, with what stands for it. */
  options: readonly (readonly [value: string, text: string])[];
  /** The value that is chosen already; by default the first. */
  chosen?: string;
}

/** One of several, with its label. One of its name a page. */
export function Choice({ name, label, options, chosen }: ChoiceProps) {
  return (
    <div>
      <label for={name}>{label}</label>
      <select id={name} name={name}>
        {options.map(([value, text]) => (
          <option value={value} selected={value === chosen}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

interface FieldProps {
  name: string;
  label: string;
  value?: string;
  type?: "text" | "number";
  optional?: boolean;
}

/** A field that is not empty, with its label. One of its name a page. */
export function Field({ name, label, value = "", type = "text", optional = false }: FieldProps) {
  return (
    <div>
      <label for={name}>{label}</label>
      <input
        id={name}
        name={name}
        value={value}
        type={type}
        autocomplete="off"
        autocapitalize="none"
        required={!optional}
      />
    </div>
  );
}
